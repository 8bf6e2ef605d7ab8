//! Where data files are looked for.

use crate::units::grouped;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest data file that is read: 1 GiB.
const LARGEST: u64 = 1 << 30;

/// The folders in which data files are looked for, in this order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DataFolders {
    folders: Vec<PathBuf>,
}

impl DataFolders {
    /// These folders, in this order.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> DataFolders {
        DataFolders { folders: folders.into_iter().collect() }
    }

    /// Reads a data file from the first folder that has it.
    ///
    /// # Errors
    /// In words: if no folder has it, or the first one found cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let found = self.folders.iter().map(|folder| folder.join(name)).find(|path| path.exists());
        let Some(path) = found else {
            let folders: Vec<String> = self.folders.iter().map(|folder| show(folder)).collect();
            return Err(format!("the data file `{name}` is missing (looked in {})", folders.join(", ")));
        };
        read_file(&path, LARGEST)
            .map_err(|error| format!("cannot read the data file {}: {error}", path.display()))
    }
}

/// Reads a whole file that is one, and not too large.
pub(super) fn read_file(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(if metadata.is_dir() {
            "it is a folder"
        } else {
            "it is no regular file"
        }));
    }
    let mut bytes = Vec::new();
    file.take(largest + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > largest {
        return Err(io::Error::other(format!("it has more than {} bytes", grouped(largest))));
    }
    Ok(bytes)
}

fn show(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "the current folder".into() } else { folder.display().to_string() }
}
