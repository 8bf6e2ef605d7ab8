//! The folder of results: written aside, and put in place only when it is whole.

use std::io;
use std::path::{Path, PathBuf};

/// A folder of results in the making. Dropped unfinished, it leaves nothing, and earlier results stay.
pub struct Results {
    partial: PathBuf,
    place: PathBuf,
    finished: bool,
}

impl Results {
    /// Results that will stand in `place`. Its parent folders are made.
    ///
    /// # Errors
    /// If a folder cannot be made.
    pub fn begin(place: &Path) -> io::Result<Results> {
        let name = place.file_name().ok_or_else(|| io::Error::other("results need a folder with a name"))?;
        let parent = place.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(parent)?;
        let partial = parent.join(format!(".{}.partial-{}", name.display(), std::process::id()));
        remove(&partial)?;
        std::fs::create_dir(&partial)?;
        Ok(Results { partial, place: place.into(), finished: false })
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

    /// Puts the results in place of earlier ones.
    ///
    /// # Errors
    /// If the folder cannot be moved; earlier results then still stand.
    pub fn finish(mut self) -> io::Result<()> {
        let old = self.partial.with_extension("old");
        remove(&old)?;
        let replaced = self.place.exists();
        if replaced {
            std::fs::rename(&self.place, &old)?;
        }
        if let Err(error) = std::fs::rename(&self.partial, &self.place) {
            if replaced {
                std::fs::rename(&old, &self.place)?;
            }
            return Err(error);
        }
        self.finished = true;
        remove(&old)
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing more can be done about a folder that cannot be removed.
            let _ = remove(&self.partial);
        }
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
