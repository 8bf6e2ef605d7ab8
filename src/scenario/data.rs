//! Where data files are looked for.

use std::io;
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
        read_file(&path).map_err(|error| format!("cannot read the data file {}: {error}", path.display()))
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let size = std::fs::metadata(path)?.len();
    if size > LARGEST {
        return Err(io::Error::other(format!("it has {size} bytes; at most {LARGEST} are read")));
    }
    std::fs::read(path)
}

fn show(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "the current folder".into() } else { folder.display().to_string() }
}
