//! What a package ships beside the program, made by the program itself: completions for shells, man pages.

use super::arguments::Arguments;
use super::{Failure, print};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

pub(super) fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "rumormill", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(0)
}

/// A page for the program, and one for each of its commands.
pub(super) fn man(folder: &Path) -> Result<u8, Failure> {
    clap_mangen::generate_to(Arguments::command(), folder)
        .map_err(Failure::output(format!("man pages to {}", folder.display())))?;
    Ok(0)
}
