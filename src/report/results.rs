//! The folder of results: written aside, and put in place only when it is whole.

use std::io;
use std::path::{Path, PathBuf};

/// A folder of results in the making. Dropped unfinished, it leaves nothing, and earlier results stay.
pub struct Results {
    partial: PathBuf,
    /// Whether it stays when this value is dropped.
    stays: bool,
}

/// How often it is tried to replace a folder that others replace as well.
const ATTEMPTS: u32 = 20;

impl Results {
    /// Results that will stand in `place`, or beside it. Its parent folders are made.
    ///
    /// # Errors
    /// If a folder cannot be made, or something that is no folder stands in the place.
    pub fn begin(place: &Path) -> io::Result<Results> {
        ensure_folder_or_nothing(place)?;
        std::fs::create_dir_all(place.parent().unwrap_or(Path::new("")))?;
        let partial = beside(place, "partial")?;
        remove(&partial)?;
        std::fs::create_dir(&partial)?;
        Ok(Results { partial, stays: false })
    }

    /// Results that are made in `folder`, over more than one start of the program if need be: unfinished, they stay
    /// there. The folder is made if it is missing.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn gathered(folder: &Path) -> io::Result<Results> {
        std::fs::create_dir_all(folder)?;
        Ok(Results { partial: folder.into(), stays: true })
    }

    /// Where a file is to be written.
    pub fn path(&self, name: &str) -> PathBuf {
        self.partial.join(name)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        std::fs::write(self.path(name), content)
    }

    /// Puts the results in their place, instead of earlier ones.
    ///
    /// # Errors
    /// If the folder cannot be moved; earlier results then still stand.
    pub fn finish(mut self, place: &Path) -> io::Result<()> {
        ensure_folder_or_nothing(place)?;
        let old = beside(place, "old")?;
        // Another run with the same results may put its own there between our two steps.
        for _ in 0..ATTEMPTS {
            remove(&old)?;
            let replaced = std::fs::rename(place, &old).is_ok();
            if std::fs::rename(&self.partial, place).is_ok() {
                self.stays = true;
                // The results are in place; an old folder that resists is no reason to call them lost.
                let _ = remove(&old);
                return Ok(());
            }
            if replaced {
                let _ = std::fs::rename(&old, place);
            }
        }
        Err(io::Error::other("the folder cannot be replaced"))
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        if !self.stays {
            // Nothing more can be done about a folder that cannot be removed.
            let _ = remove(&self.partial);
        }
    }
}

fn ensure_folder_or_nothing(place: &Path) -> io::Result<()> {
    if place.exists() && !place.is_dir() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no folder stands there"));
    }
    Ok(())
}

/// A hidden folder of this process beside a place.
fn beside(place: &Path, purpose: &str) -> io::Result<PathBuf> {
    let name = place.file_name().ok_or_else(|| io::Error::other("results need a folder with a name"))?;
    Ok(place.with_file_name(format!(".{}.{purpose}-{}", name.display(), std::process::id())))
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
