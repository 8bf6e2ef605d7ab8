//! `rumormill secret`: shows or replaces what a network knows and strangers do not.

use super::node::{SecretArguments, SecretOrder};
use super::{Failure, complain, print};
use crate::live::keys::{KeysError, MOST_PERIOD, Secrets};
use crate::live::today;
use crate::units::{format_duration, human_duration};
use std::time::Duration;

pub(super) fn run(arguments: &SecretArguments) -> Result<u8, Failure> {
    let unusable = |error: KeysError| Failure::Unusable(error.to_string());
    match &arguments.order {
        SecretOrder::Show { file } => {
            let secrets = Secrets::load(&file.path).map_err(unusable)?;
            if secrets.previous(today()).is_some() {
                complain::say("the secret before this one still holds, until the date in the file");
            }
            print(&secrets.current().text())?;
        }
        SecretOrder::Rotate { file, period } => {
            if *period > MOST_PERIOD {
                let most = human_duration(MOST_PERIOD);
                return Err(Failure::Usage(format!("an old secret holds for {most} at most")));
            }
            let mut secrets = Secrets::load(&file.path).map_err(unusable)?;
            secrets.rotate(*period, today()).map_err(unusable)?;
            secrets.save(&file.path).map_err(unusable)?;
            complain::say(&told(&file.path.display().to_string(), *period));
        }
    }
    Ok(0)
}

fn told(file: &str, period: Duration) -> String {
    if period.is_zero() {
        return format!(
            "{file} has a new secret, and the old one holds no more: copy the file to all other nodes now; links that are up \
             stay, new ones take the new secret"
        );
    }
    format!(
        "{file} has a new secret; the old one holds for another {}. Copy the file to all other nodes until then; those that \
         run notice within seconds",
        format_duration(period)
    )
}
