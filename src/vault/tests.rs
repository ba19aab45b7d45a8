use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

const FIELDS: [Field; 4] =
    [Field::RegistrationName, Field::RegistrationPhone, Field::OutboxRecipient, Field::StaffName];

fn vault() -> Vault {
    Vault::from_keyring(&Keyring::generate().unwrap()).unwrap()
}

proptest! {
    /// CO-4. Mutation caught: with the associated data left empty, a value opened in every column and row.
    #[test]
    fn a_value_opens_only_in_its_own_field_and_row(
        text in ".{0,60}", row in "[0-9A-Z]{1,26}", other in "[0-9A-Z]{1,26}", field in 0_usize..4, moved in 0_usize..4,
    ) {
        let vault = vault();
        let sealed = vault.seal(FIELDS[field], &row, &text).unwrap();
        prop_assert_eq!(vault.open_text(FIELDS[field], &row, &sealed).unwrap(), text);
        if moved != field {
            prop_assert!(vault.open_text(FIELDS[moved], &row, &sealed).is_err());
        }
        if other != row {
            prop_assert!(vault.open_text(FIELDS[field], &other, &sealed).is_err());
        }
    }

    #[test]
    fn an_altered_value_does_not_open(
        text in ".{1,40}", flip in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<prop::sample::Index>(),
    ) {
        let vault = vault();
        let sealed = vault.seal(Field::RegistrationPhone, "R1", &text).unwrap();
        let mut flipped = sealed.clone();
        let at = flip.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert!(vault.open_text(Field::RegistrationPhone, "R1", &flipped).is_err());
        let shorter = &sealed[..cut.index(sealed.len())];
        prop_assert!(vault.open_text(Field::RegistrationPhone, "R1", shorter).is_err());
        let mut longer = sealed;
        longer.push(0);
        prop_assert!(vault.open_text(Field::RegistrationPhone, "R1", &longer).is_err());
    }

    #[test]
    fn bytes_that_nobody_sealed_do_not_open(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(vault().open_text(Field::RegistrationName, "R1", &bytes).is_err());
    }

    #[test]
    fn text_that_is_no_keyring_is_refused(json in ".{0,200}") {
        prop_assert!(Keyring::parse(&json).is_err());
    }
}

/// CO-4: what lies in the table shows nothing of the value, and equal values do not look alike.
#[test]
fn sealed_bytes_hide_the_text_and_its_repeats() {
    let vault = vault();
    let phone = "13800138000";
    let first = vault.seal(Field::RegistrationPhone, "R1", phone).unwrap();
    let second = vault.seal(Field::RegistrationPhone, "R1", phone).unwrap();
    assert_ne!(first, second);
    assert!(!first.windows(phone.len()).any(|window| window == phone.as_bytes()));
    let index = vault.index(Purpose::Phone, phone);
    assert_eq!(index.len(), 32);
    assert!(!index.windows(4).any(|window| phone.as_bytes().windows(4).any(|digits| digits == window)));
}

/// Mutation caught: with one label for all purposes, the phone's index equalled the document's.
#[test]
fn an_index_finds_equal_values_of_one_purpose_under_one_key() {
    let (vault, other) = (vault(), vault());
    let purposes = [Purpose::Phone, Purpose::PhoneTail, Purpose::Document, Purpose::Name, Purpose::Openid];
    for purpose in purposes {
        assert_eq!(vault.index(purpose, "8000"), vault.index(purpose, "8000"));
        assert_ne!(vault.index(purpose, "8000"), vault.index(purpose, "8001"));
        assert_ne!(vault.index(purpose, "8000"), other.index(purpose, "8000"));
        for another in purposes.into_iter().filter(|another| *another != purpose) {
            assert_ne!(vault.index(purpose, "8000"), vault.index(another, "8000"));
        }
    }
    assert_ne!(
        vault.hash_secret(Secret::SignInCode, "ab", b"c"),
        vault.hash_secret(Secret::SignInCode, "a", b"bc"),
    );
}

#[test]
fn a_rotated_ring_still_opens_what_the_old_key_sealed() {
    let mut ring = Keyring::generate().unwrap();
    let before = Vault::from_keyring(&ring).unwrap();
    let sealed = before.seal(Field::RegistrationName, "R1", "张伟").unwrap();
    ring.rotate().unwrap();
    let after = Vault::from_keyring(&Keyring::parse(&ring.to_json().unwrap()).unwrap()).unwrap();
    assert_eq!(after.open_text(Field::RegistrationName, "R1", &sealed).unwrap(), "张伟");
    let newer = after.seal(Field::RegistrationName, "R1", "张伟").unwrap();
    assert!(matches!(
        before.open_text(Field::RegistrationName, "R1", &newer),
        Err(VaultError::UnknownKey(2))
    ));
    assert_eq!(before.index(Purpose::Name, "张伟"), after.index(Purpose::Name, "张伟"));
}

#[test]
fn a_database_knows_the_keys_that_sealed_it() {
    let mut ring = Keyring::generate().unwrap();
    let vault = Vault::from_keyring(&ring).unwrap();
    let stored = vault.check_binding(&[]).unwrap().unbound;
    assert!(vault.check_binding(&stored).unwrap().is_empty());

    ring.rotate().unwrap();
    let rotated = Vault::from_keyring(&ring).unwrap();
    let added = rotated.check_binding(&stored).unwrap().unbound;
    assert_eq!(added.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["field-2"]);

    let stranger = Vault::from_keyring(&Keyring::generate().unwrap()).unwrap();
    let refusal = stranger.check_binding(&stored).unwrap_err();
    assert_eq!(refusal.code(), "KEYRING_WRONG");
    // The older ring lacks a key that the database has seen in use.
    let both: Vec<_> = stored.into_iter().chain(added).collect();
    assert!(vault.check_binding(&both).is_err());
    // One that was retired lacks it by decision, and says so.
    ring.retire(1).unwrap();
    let after = Vault::from_keyring(&Keyring::parse(&ring.to_json().unwrap()).unwrap()).unwrap();
    assert_eq!(after.check_binding(&both).unwrap(), Differences { unbound: Vec::new(), retired: vec![1] });
}

#[test]
fn the_keyring_is_created_once_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config/keys.json");
    let source = KeySource::File(path.clone());
    assert_eq!(Vault::open(&source, None).unwrap_err().code(), "KEYRING_MISSING");
    assert!(!path.exists(), "nothing is made by looking");
    let first = Vault::open_or_create(&source, Some(&folder.path().join("data"))).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Vault::open(&source, None).unwrap();
    assert_eq!(first.fingerprints(), again.fingerprints());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refusal = Vault::open(&source, None).unwrap_err();
    assert!(
        refusal.to_string().contains("mode 0640") && refusal.to_string().contains("chmod 600"),
        "{refusal}"
    );
}

#[test]
fn processes_that_start_together_end_with_one_keyring() {
    let folder = tempfile::tempdir().unwrap();
    let source = KeySource::File(folder.path().join("keys.json"));
    let prints: Vec<_> = std::thread::scope(|scope| {
        let open = || Vault::open_or_create(&source, None).unwrap().fingerprints().to_vec();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(prints.iter().all(|print| *print == prints[0]));
}

#[test]
fn a_keyring_in_the_data_folder_is_refused_even_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(&data, folder.path().join("innocent")).unwrap();
    for path in ["data/keys.json", "data/deeper/keys.json", "innocent/keys.json"] {
        let source = KeySource::File(folder.path().join(path));
        let refusal = Vault::open_or_create(&source, Some(&data)).unwrap_err();
        assert_eq!(refusal.code(), "KEYRING_IN_DATA_FOLDER", "{path}");
    }
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0, "nothing was written there");
}

/// Mutation caught: the first of several sources taken, instead of none.
#[test]
fn keys_come_from_one_place() {
    let json = Keyring::generate().unwrap().to_json().unwrap();
    let inline = |name: &str| (name == "KAIPAN_KEYS").then(|| json.to_string());
    let command = |name: &str| (name == "KAIPAN_KEYRING_COMMAND").then(|| "print-keys --all".to_owned());
    let choose = |file: Option<&Path>, get: &dyn Fn(&str) -> Option<String>| KeySource::choose(file, get);
    assert!(Vault::open(&choose(None, &inline).unwrap(), None).is_ok());
    assert!(matches!(choose(None, &command), Ok(KeySource::Command(words)) if words == "print-keys --all"));
    let file = Path::new("/k.json");
    assert!(matches!(choose(Some(file), &|_| None), Ok(KeySource::File(path)) if path == file));
    assert!(matches!(choose(Some(Path::new("")), &|_| Some(" ".to_owned())), Ok(KeySource::UserConfig)));
    for two in
        [choose(Some(file), &inline), choose(Some(file), &command), choose(None, &|_| Some("x".to_owned()))]
    {
        assert_eq!(two.err().unwrap().code(), "KEYRING_TWO_SOURCES");
    }
}

/// CO-4: a program that has the keys is waited for so long and listened to so far, and nothing of what it said is repeated.
///
/// Mutations caught: no bound on the length, the status not looked at.
#[test]
fn a_program_hands_the_keys_over_or_is_refused_in_words() {
    use super::source::fetch;
    use std::time::Duration;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ring");
    let ring = Keyring::generate().unwrap();
    fs::write(&file, ring.to_json().unwrap().as_bytes()).unwrap();
    let soon = Duration::from_secs(20);
    let fetched = fetch(&format!("cat {}", file.display()), soon).unwrap();
    assert_eq!(*fetched.to_json().unwrap(), *ring.to_json().unwrap());

    let script = |text: &str| {
        let path = folder.path().join("script");
        fs::write(&path, text).unwrap();
        format!("sh {}", path.display())
    };
    let refusal = |command: &str, limit| fetch(command, limit).err().unwrap().to_string();
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ";
    for (text, words) in [
        (format!("echo {secret}; echo {secret} >&2; exit 3"), "ended with status 3"),
        (format!("echo {secret}"), "not a keyring"),
        ("yes".to_owned(), "more than 65536 bytes"),
        (format!("echo {secret}; kill -9 $$"), "ended with a signal"),
    ] {
        let said = refusal(&script(&text), soon);
        assert!(said.contains(words) && !said.contains(secret), "{text}: {said}");
    }
    assert!(refusal("/no/such/program", soon).contains("can't be run"));
    assert!(refusal(" ", soon).contains("is empty"));
    // It keeps its output open and has a child that does: neither is waited for.
    let said = refusal(&script("sleep 600 & sleep 600"), Duration::from_millis(200));
    assert!(said.contains("no answer within"), "{said}");
}

/// Mutations caught: the file written in its place (a reader met half of it), the lock left out, the id of a retired key
/// given again.
#[test]
fn a_keyring_is_changed_in_one_step_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let source = KeySource::File(link.clone());
    Vault::open_or_create(&KeySource::File(path.clone()), None).unwrap();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&path);
    let during = source.change(|ring| {
        assert_eq!(source.change(|ring| ring.add()).unwrap_err().code(), "KEYRING_BUSY");
        ring.rotate()
    });
    assert_eq!(during.unwrap(), 2);
    assert_ne!(inode(&path), before, "another file stands in its place");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");

    assert_eq!(source.change(|ring| ring.retire(2)).unwrap_err().code(), "KEY_ACTIVE");
    assert_eq!(source.change(|ring| ring.retire(7)).unwrap_err().code(), "KEY_UNKNOWN");
    let vault = Vault::open(&source, None).unwrap();
    assert_eq!((vault.key_ids(), vault.sealing_key()), (vec![1, 2], 2), "a refusal changes nothing");
    source.change(|ring| ring.activate(1)).unwrap();
    source.change(|ring| ring.retire(2)).unwrap();
    assert_eq!(source.change(|ring| ring.add()).unwrap(), 3, "no id comes back");
    let inline = KeySource::Inline(Keyring::generate().unwrap().to_json().unwrap());
    assert_eq!(inline.change(|ring| ring.rotate()).unwrap_err().code(), "KEYRING_NOT_A_FILE");
}

/// CO-4: what another gateway sealed with a key that came a moment ago opens here at once; what seals here changes only when
/// that was decided; and a file with other keys opens nothing.
///
/// Mutations caught: no second look at the file; a ring with another key of the same id taken over.
#[test]
fn a_key_that_came_while_running_opens_at_once_and_seals_when_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let source = KeySource::File(path.clone());
    let here = Vault::open_or_create(&source, None).unwrap();
    let (first, _) = here.look(None).unwrap().unwrap();
    assert!(here.look(Some(first)).unwrap().is_none(), "it is the same");

    let at = (Field::StaffName, "S1");
    source.change(|ring| ring.rotate()).unwrap();
    let there = Vault::open(&source, None).unwrap();
    let sealed = there.seal(at.0, at.1, "张伟").unwrap();
    assert_eq!(Vault::key_of(&sealed), Some(2));
    assert_eq!(here.open_text(at.0, at.1, &sealed).unwrap(), "张伟");
    assert_eq!(here.sealing_key(), 1, "that is for the database to know first");
    let (_, candidate) = here.look(Some(first)).unwrap().unwrap();
    here.adopt(&candidate);
    assert_eq!(here.sealing_key(), 2);
    let again = here.seal_again(at.0, at.1, &here.seal(at.0, at.1, "x").unwrap()).unwrap();
    assert!(again.starts_with(&here.sealing_header()));

    // Somebody puts another installation's keyring there, which has a third key.
    let mut other = Keyring::generate().unwrap();
    other.rotate().unwrap();
    other.rotate().unwrap();
    fs::write(&path, other.to_json().unwrap().as_bytes()).unwrap();
    let foreign = Vault::from_keyring(&other).unwrap().seal(at.0, at.1, "李娜").unwrap();
    assert!(matches!(here.open_text(at.0, at.1, &foreign), Err(VaultError::UnknownKey(3))));
    assert_eq!(here.open_text(at.0, at.1, &sealed).unwrap(), "张伟");
}

#[test]
fn neither_debug_nor_an_error_shows_a_key() {
    let ring = Keyring::generate().unwrap();
    let json = ring.to_json().unwrap();
    let secret = json.split("\"index\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let debug = format!("{:?}", Vault::from_keyring(&ring).unwrap());
    assert!(!debug.contains(&secret));
    let broken = json.replace("\"version\":1", "\"version\":\"one\"");
    let refusal = Keyring::parse(&broken).err().unwrap().to_string();
    assert!(!refusal.contains(&secret) && refusal.contains("version 1"), "{refusal}");
}
