//! A node's home: its key, the network's secret, its log.

use super::arguments::NodeArguments;
use crate::cli::Failure;
use crate::live::admin::AdminKey;
use crate::live::keys::{Keypair, KeysError, Secrets};
use etcetera::BaseStrategy;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

/// Where a node lives on disk.
pub(super) struct Home {
    pub(super) folder: PathBuf,
    pub(super) secret_file: PathBuf,
    /// As read last. A file that is replaced is another one.
    seen: Option<fs::Metadata>,
}

impl Home {
    /// Finds the home, and makes it if need be; nothing is made for a node that could not start.
    pub(super) fn open(arguments: &NodeArguments) -> Result<(Home, Keypair, Secrets), Failure> {
        let folder = match &arguments.home {
            Some(folder) => folder.clone(),
            None => default_folder(arguments.listen.port())?,
        };
        let knows_nobody = !arguments.genesis && arguments.join.is_empty();
        if knows_nobody && !log_in(&folder).exists() {
            return Err(Failure::Usage(format!(
                "this node is new ({} has no log), and knows nobody: found a network with --genesis, or join one with \
                 --join ADDRESS",
                folder.display()
            )));
        }
        let secret_file = arguments.secret.clone().unwrap_or_else(|| folder.join("secret"));
        if !arguments.genesis && arguments.secret.is_none() && !secret_file.exists() {
            return Err(Failure::Usage(
                "a network has a secret, and this node has none yet: take the line that the first node printed, with \
                 --secret FILE"
                    .into(),
            ));
        }
        create_private(&folder)
            .map_err(|error| Failure::Unusable(format!("cannot make {}: {error}", folder.display())))?;
        let seen = fs::metadata(&secret_file).ok();
        let secrets = match Secrets::load(&secret_file) {
            Err(KeysError::Missing(_)) if arguments.genesis => found(&secret_file),
            loaded => loaded,
        };
        let secrets = secrets.map_err(unusable)?;
        let keypair = Keypair::load_or_create(folder.join("key")).map_err(unusable)?;
        let seen = seen.or_else(|| fs::metadata(&secret_file).ok());
        Ok((Home { folder, secret_file, seen }, keypair, secrets))
    }

    pub(super) fn log(&self) -> PathBuf {
        log_in(&self.folder)
    }

    /// The secrets, if their file is another one than it was.
    pub(super) fn new_secrets(&mut self) -> Option<Result<Secrets, KeysError>> {
        let now = fs::metadata(&self.secret_file).ok();
        let mark = |file: &Option<fs::Metadata>| file.as_ref().map(|file| (file.modified().ok(), file.len()));
        if mark(&now) == mark(&self.seen) {
            return None;
        }
        self.seen = now;
        Some(Secrets::load(&self.secret_file))
    }
}

/// Makes a network's secret, and the key of its admin.
fn found(secret_file: &Path) -> Result<Secrets, KeysError> {
    let key = AdminKey::create(admin_beside(secret_file))?;
    Secrets::create(secret_file, key.admin())
}

/// Where the admin key of a network is, if it is here.
pub(in super::super) fn admin_beside(secret_file: &Path) -> PathBuf {
    secret_file.with_added_extension("admin")
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// The file of the secret of a node that was started without `--home` and `--secret`.
pub(in super::super) fn default_secret(port: u16) -> Result<PathBuf, Failure> {
    Ok(default_folder(port)?.join("secret"))
}

fn default_folder(port: u16) -> Result<PathBuf, Failure> {
    if port == 0 {
        let why = "with port 0 nobody knows which home is meant: name it with --home DIR";
        return Err(Failure::Usage(why.into()));
    }
    let data = etcetera::choose_base_strategy().map(|strategy| strategy.data_dir());
    let data =
        data.map_err(|_| Failure::Usage("you have no data folder: name a home with --home DIR".into()))?;
    Ok(data.join("rumormill").join(format!("node-{port}")))
}

fn unusable(error: KeysError) -> Failure {
    Failure::Unusable(error.to_string())
}

/// A folder for its owner only, if it is new.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
