//! Keys and secrets, and the files in which they are kept.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;
const HOUR: Duration = Duration::from_secs(3600);

/// The public key of test 1 of RFC 8032.
fn admin() -> Admin {
    Admin::parse("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A private file with this text.
fn file(folder: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = folder.path().join("file");
    private::write(&path, text, private::Place::Any).unwrap();
    path
}

fn only_file(folder: &tempfile::TempDir) -> bool {
    fs::read_dir(folder.path()).unwrap().count() == 1
}

#[test]
fn public_keys_are_those_of_rfc_7748() {
    // Section 6.1, Bob.
    let private = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb").unwrap();
    let public = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    assert_eq!(hex(&Keypair::from_private(private).public.0), public);
}

#[test]
fn a_keypair_is_made_once_and_then_found_again() {
    let folder = folder();
    let path = folder.path().join("key");
    let first = Keypair::load_or_create(&path).unwrap();
    let again = Keypair::load_or_create(&path).unwrap();
    assert_eq!((first.private, first.public), (again.private, again.public));
    assert!(only_file(&folder), "a temporary file was left");
    assert_ne!(Keypair::random().unwrap().public, first.public);
    assert!(is_provable(&first.public));
}

#[cfg(unix)]
#[test]
fn files_are_private_and_refused_when_they_are_not() {
    let folder = folder();
    let (key, secret) = (folder.path().join("key"), folder.path().join("secret"));
    Keypair::load_or_create(&key).unwrap();
    let secrets = Secrets::create(&secret, admin()).unwrap();
    secrets.save(&secret).unwrap();
    assert_eq!((mode(&key), mode(&secret)), (0o600, 0o600));
    for others in [0o640, 0o604, 0o620, 0o610] {
        set_mode(&key, others);
        set_mode(&secret, others);
        let error = Keypair::load_or_create(&key).unwrap_err().to_string();
        assert!(error.contains(&format!("`chmod 600 {}`", key.display())), "{error}");
        assert!(error.contains(&format!("{others:o}")), "{error}");
        assert!(matches!(Secrets::load(&secret), Err(KeysError::Exposed { .. })));
    }
    set_mode(&key, 0o400);
    assert!(Keypair::load_or_create(&key).is_ok());
}

#[test]
fn a_damaged_keypair_is_refused() {
    let folder = folder();
    let pair = Keypair::random().unwrap();
    let other = Keypair::random().unwrap();
    let text = pair.file_text();
    let damaged = [
        String::new(),
        "private 12\n".to_owned(),
        text.replace("public", "pubic"),
        text.replace(&hex(&pair.private), &hex(&other.private)),
        text.replace(&hex(&pair.public.0), &"é".repeat(32)),
        format!("{text}{text}"),
        text.lines().take(2).collect::<Vec<_>>().join("\n"),
        "\0".repeat(10_000),
        format!("{text}{}", "\n".repeat(5_000)),
    ];
    for text in damaged {
        let path = file(&folder, &text);
        let error = Keypair::load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeysError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("restore it"), "{error}");
        assert!(!error.to_string().contains(&hex(&pair.private)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "a damaged file is not replaced");
    }
    fs::write(folder.path().join("file"), [0xff; 40]).unwrap();
    assert!(matches!(Keypair::load(&folder.path().join("file")), Err(KeysError::Corrupt { .. })));
}

#[test]
fn what_cannot_be_written_names_the_file() {
    let folder = folder();
    let path = folder.path().join("nowhere/key");
    let error = Keypair::load_or_create(&path).unwrap_err();
    assert!(matches!(error, KeysError::Write { .. }));
    assert!(error.to_string().contains("nowhere/key"), "{error}");
    assert!(matches!(Keypair::load(folder.path()), Err(KeysError::Read { .. })));
    let missing = Secrets::load(&path).unwrap_err();
    assert!(matches!(missing, KeysError::Missing(_)));
    assert!(missing.to_string().contains("copy the one"), "{missing}");
}

#[test]
fn a_network_is_not_created_over_another() {
    let folder = folder();
    let path = folder.path().join("secret");
    let secrets = Secrets::create(&path, admin()).unwrap();
    assert!(matches!(Secrets::create(&path, admin()), Err(KeysError::Exists(_))));
    assert_eq!(Secrets::load(&path).unwrap(), secrets);
    assert!(only_file(&folder), "a temporary file was left");
}

#[test]
fn every_typo_in_a_secret_is_noticed() {
    let secret = Secret::random().unwrap();
    let text = secret.text();
    assert_eq!(text.len(), PREFIX.len() + 72);
    assert_eq!(text.parse(), Ok(secret.clone()));
    assert_eq!(format!(" {PREFIX}{}\n", text[PREFIX.len()..].to_uppercase()).parse(), Ok(secret));
    for at in 0..text.len() {
        for wrong in ["0", "7", "f", "x", "é", ""] {
            let typo = format!("{}{wrong}{}", &text[..at], &text[at + 1..]);
            assert!(typo == text || typo.parse::<Secret>().is_err(), "{typo}");
        }
    }
    for at in PREFIX.len()..text.len() - 1 {
        let mut swapped = text.clone().into_bytes();
        swapped.swap(at, at + 1);
        let swapped = String::from_utf8(swapped).unwrap();
        assert!(swapped == text || swapped.parse() == Err::<Secret, _>(BadSecret::Checksum));
    }
    let long = format!("{text}0").parse::<Secret>();
    assert_eq!(long, Err(BadSecret::Length { found: 73 }));
    assert_eq!("".parse::<Secret>(), Err(BadSecret::Prefix));
    assert_eq!("rumormill-12g".parse::<Secret>(), Err(BadSecret::Digit(3)));
}

#[test]
fn the_text_of_a_secret_stays_as_it_is() {
    let secret = Secret([7; 32]);
    assert_eq!(secret.text(), format!("rumormill-{}b6b0d88d", "07".repeat(32)));
}

#[test]
fn debug_shows_no_secrets() {
    let pair = Keypair::random().unwrap();
    let secrets = Secrets::new(Secret::random().unwrap());
    let shown = format!("{pair:?} {secrets:?} {:?}", secrets.current());
    assert!(!shown.contains(&hex(&pair.private)) && !shown.contains(&hex(secrets.current().bytes())));
    assert!(!shown.contains(&format!("{:?}", secrets.current().bytes())));
    assert!(!shown.contains(&format!("{:?}", pair.private)));
}

#[test]
fn the_old_secret_holds_for_its_period() {
    let folder = folder();
    let path = folder.path().join("secret");
    let mut secrets = Secrets::create(&path, admin()).unwrap();
    let first = secrets.current().clone();
    secrets.rotate(HOUR, NOW).unwrap();
    secrets.save(&path).unwrap();
    assert_eq!(Secrets::load(&path).unwrap(), secrets);
    let valid = |secrets: &Secrets, now| secrets.valid(now).cloned().collect::<Vec<_>>();
    let second = secrets.current().clone();
    assert_ne!(first, second);
    let last = NOW + HOUR - Duration::from_nanos(1);
    assert_eq!(valid(&secrets, NOW), [second.clone(), first.clone()]);
    assert_eq!(valid(&secrets, last), [second.clone(), first.clone()]);
    assert_eq!(valid(&secrets, NOW + HOUR), std::slice::from_ref(&second));
    secrets.adopt(second.clone(), Duration::ZERO, NOW);
    assert_eq!(secrets.previous(NOW), Some(&first), "nothing new was adopted");
    let mut other = Secrets { admin: Some(admin()), ..Secrets::new(first.clone()) };
    other.adopt(second.clone(), HOUR, NOW);
    assert_eq!(other, secrets);
    other.rotate(Duration::ZERO, NOW).unwrap();
    assert_eq!(other.valid(NOW).count(), 1, "a secret that leaked is refused at once");
    other.rotate(Duration::MAX, NOW).unwrap();
    assert_eq!(other.valid(NOW + MOST_PERIOD).count(), 1);
}

#[test]
fn damaged_secrets_are_refused_and_not_shown() {
    let folder = folder();
    let mut secrets = Secrets::new(Secret::random().unwrap());
    secrets.rotate(HOUR, NOW).unwrap();
    let text = secrets.file_text();
    let digits = hex(secrets.current().bytes());
    let damaged = [
        String::new(),
        text.replace(&digits, &digits.chars().rev().collect::<String>()),
        text.replace("until", ""),
        text.replace("until 3600", "until soon"),
        text.replace("until 3600", &format!("until {}", u64::MAX)),
        text.replace("until 3600", &format!("until {}0", u64::MAX)),
        text.replace("current", "previous"),
        format!("{text}current {}\n", secrets.current().text()),
    ];
    for text in damaged {
        let error = Secrets::load(file(&folder, &text)).unwrap_err();
        assert!(matches!(error, KeysError::Corrupt { .. }), "{text}: {error}");
        assert!(!format!("{error}{error:?}").contains(&digits), "{error}");
    }
    let error = Secrets::load(file(&folder, "\ncurrent rumormill-00\n")).unwrap_err().to_string();
    assert!(error.contains("line 2: a secret has 72 digits"), "{error}");
}

#[test]
fn points_of_low_order_and_second_spellings_are_nobody() {
    let point = |digits: &str| Identity(unhex(digits).unwrap());
    let mut one = [0; 32];
    one[0] = 1;
    let mut twin = Keypair::random().unwrap().public;
    twin.0[31] |= 0x80;
    let nobody = [
        Identity([0; 32]),
        Identity(one),
        // Of order 8.
        point("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        point("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        // p - 1, p, p + 1.
        point("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        point("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        point("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        // 9, the base point, as 9 + p, and with the bit that is ignored.
        point("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        twin,
    ];
    for identity in nobody {
        assert!(!is_provable(&identity), "{identity:?}");
    }
    let mut base = [0; 32];
    base[0] = 9;
    assert!(is_provable(&Identity(base)));
}

proptest! {
    #[test]
    fn any_text_is_a_secret_or_an_error(text in ".*") {
        let _ = text.parse::<Secret>();
        let _ = format!("{PREFIX}{text}").parse::<Secret>();
        let _ = Secrets::parse(&text);
        let _ = Keypair::parse(&text);
    }

    #[test]
    fn files_hold_what_was_written(
        a: [u8; 32],
        b: [u8; 32],
        period in 0u64..1 << 40,
        now in 0u32..,
        nanos in 0u32..1_000_000_000,
    ) {
        let mut secrets = Secrets::new(Secret(a));
        secrets.adopt(Secret(b), Duration::from_secs(period), NOW + Duration::new(now.into(), nanos));
        prop_assert_eq!(Secrets::parse(&secrets.file_text()), Ok(secrets));
        let pair = Keypair::from_private(a);
        prop_assert_eq!(Keypair::parse(&pair.file_text()).map(|pair| pair.private), Ok(a));
    }
}
