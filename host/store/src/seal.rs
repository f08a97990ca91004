//! Seals secrets before they are stored, with a key from the environment or from a file that only its owner reads.
//!
//! Sealed bytes are a format byte, four bytes that tell which key it was, the nonce, and what XChaCha20-Poly1305 made of
//! the plaintext with the secret's name as associated data: a sealed secret put under another name does not open.
//!
//! Invariant: neither the key nor a plaintext is ever printed, and both are wiped from memory when dropped.

use std::env;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// The environment variable that may hold the key.
pub const KEY_VARIABLE: &str = "SYNCLINE_KEY";

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
const KEY_MARK_LENGTH: usize = 4;

/// The only format of sealed bytes so far.
const FORMAT: u8 = 1;

/// Says what the associated data is for, so that the key never means two things by the same bytes.
const ASSOCIATED: &[u8] = b"syncline secret 1\0";

/// A secret in the clear.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// Takes hold of a secret.
    pub fn new(secret: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Shows the secret, to hand it to where it is used.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Plaintext(hidden)")
    }
}

/// Why a secret could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key in the environment is no key.
    #[error(
        "{KEY_VARIABLE} is not a key: it must be 32 bytes in base64 or hex, as `openssl rand -base64 32` prints them"
    )]
    VariableInvalid,
    /// The key file holds no key.
    #[error("{} holds no key: put back the file the secrets were sealed with, or remove it and set the secrets again", path.display())]
    FileInvalid {
        /// The file.
        path: PathBuf,
    },
    /// The key file is open to others.
    #[error("{} can be read by others: run `chmod 600 {}`, and consider its secrets known", path.display(), path.display())]
    FileOpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// The key file could not be read or made.
    #[error("the key file {} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system has no random bytes to give")]
    NoRandom,
    /// The secret was sealed with another key.
    #[error("the secret {name:?} was sealed with another key: use that key again, or set the secret anew")]
    OtherKey {
        /// Which secret.
        name: String,
    },
    /// The sealed bytes are not what was stored under this name.
    #[error("the secret {name:?} is garbled: set it anew")]
    Garbled {
        /// Which secret.
        name: String,
    },
}

/// Seals secrets with one key.
pub struct Seal {
    cipher: XChaCha20Poly1305,
    key_mark: [u8; KEY_MARK_LENGTH],
}

impl fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seal(hidden)")
    }
}

impl Seal {
    /// Takes the key from `SYNCLINE_KEY`, or else from the file `key` in the folder `data`, which is made when missing.
    pub fn load(data: &Path) -> Result<Self, SealError> {
        match env::var_os(KEY_VARIABLE) {
            Some(text) => {
                let text = text.into_string().map(Zeroizing::new).map_err(|_| SealError::VariableInvalid)?;
                Self::from_text(&text).ok_or(SealError::VariableInvalid)
            }
            None => Self::from_file(&data.join("key")),
        }
    }

    /// Takes the key from a text of 32 bytes in hex or base64; `None` when it is something else.
    pub fn from_text(text: &str) -> Option<Self> {
        decode_key(text.trim()).map(|key| Self::from_key(&key))
    }

    /// Takes the key from a file that only its owner can read, or makes a file with a random key when there is none.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        let unusable = |source| SealError::File { path: path.to_owned(), source };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_key_file(path)?;
                File::open(path).map_err(unusable)?
            }
            Err(error) => return Err(unusable(error)),
        };
        if file.metadata().map_err(unusable)?.permissions().mode() & 0o077 != 0 {
            return Err(SealError::FileOpenToOthers { path: path.to_owned() });
        }
        let mut text = Zeroizing::new(String::new());
        match io::Read::read_to_string(&mut file, &mut text) {
            Ok(_) => Self::from_text(&text).ok_or_else(|| SealError::FileInvalid { path: path.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(SealError::FileInvalid { path: path.to_owned() })
            }
            Err(error) => Err(unusable(error)),
        }
    }

    /// Seals a secret under its name.
    pub fn seal(&self, name: &str, plaintext: &Plaintext) -> Result<Vec<u8>, SealError> {
        let nonce = XNonce::try_generate().map_err(|_| SealError::NoRandom)?;
        let associated = associated(name);
        let payload = Payload { msg: plaintext.expose(), aad: &associated };
        // The cipher refuses only lengths of hundreds of gigabytes.
        let sealed = self.cipher.encrypt(&nonce, payload).map_err(|_| SealError::Garbled { name: name.to_owned() })?;
        let mut bytes = Vec::with_capacity(1 + KEY_MARK_LENGTH + NONCE_LENGTH + sealed.len());
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.key_mark);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        Ok(bytes)
    }

    /// Opens what was sealed under this name.
    pub fn open(&self, name: &str, bytes: &[u8]) -> Result<Plaintext, SealError> {
        let garbled = || SealError::Garbled { name: name.to_owned() };
        let (format, rest) = bytes.split_first().ok_or_else(garbled)?;
        if *format != FORMAT {
            return Err(garbled());
        }
        let (key_mark, rest) = rest.split_first_chunk::<KEY_MARK_LENGTH>().ok_or_else(garbled)?;
        if *key_mark != self.key_mark {
            return Err(SealError::OtherKey { name: name.to_owned() });
        }
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LENGTH>().ok_or_else(garbled)?;
        let associated = associated(name);
        let payload = Payload { msg: sealed, aad: &associated };
        let plaintext = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| garbled())?;
        Ok(Plaintext::new(plaintext))
    }

    fn from_key(key: &[u8; KEY_LENGTH]) -> Self {
        // A derived key's first bytes tell keys apart and nothing about the key.
        let mark = blake3::derive_key("syncline 2026 mark of a sealing key", key);
        let [a, b, c, d, ..] = mark;
        Self { cipher: XChaCha20Poly1305::new(key.into()), key_mark: [a, b, c, d] }
    }
}

fn associated(name: &str) -> Vec<u8> {
    [ASSOCIATED, name.as_bytes()].concat()
}

fn decode_key(text: &str) -> Option<Zeroizing<[u8; KEY_LENGTH]>> {
    let bytes = if text.len() == 2 * KEY_LENGTH && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap_or_default());
        digits.map(|pair| u8::from_str_radix(pair, 16).ok()).collect::<Option<Vec<u8>>>()
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|base64| base64.decode(text).ok())
    };
    let bytes = Zeroizing::new(bytes?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

/// Makes a key file. A crash leaves no file or a whole one; of two processes at once, the first one's file stays.
fn make_key_file(path: &Path) -> Result<(), SealError> {
    let random: [u8; KEY_LENGTH] = Key::try_generate().map_err(|_| SealError::NoRandom)?.into();
    let random = Zeroizing::new(random);
    let text = Zeroizing::new(STANDARD.encode(random.as_slice()) + "\n");
    write_key_file(path, text.as_bytes()).map_err(|source| SealError::File { path: path.to_owned(), source })
}

fn write_key_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // A name that nobody can guess and a file that was not there: it is nobody else's, nor a link.
    let suffix = XNonce::try_generate().map_err(|_| io::Error::other(SealError::NoRandom))?;
    let draft = path.with_extension(format!("new-{}", URL_SAFE_NO_PAD.encode(suffix)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn seal(text: &str) -> Seal {
        Seal::from_text(text).expect("a key")
    }

    #[test]
    fn a_secret_opens_under_its_name_and_key_only() {
        let sealed = seal(TEXT).seal("hubspot", &Plaintext::new("pat-123")).expect("sealed");
        assert!(!sealed.windows(7).any(|bytes| bytes == b"pat-123"));
        // The same key in base64.
        let base64 = STANDARD.encode((0..32).collect::<Vec<u8>>());
        assert_eq!(seal(&base64).open("hubspot", &sealed).expect("opened").expose(), b"pat-123");
        assert!(matches!(seal(TEXT).open("brevo", &sealed), Err(SealError::Garbled { .. })));
        assert!(matches!(seal(&TEXT.replace("00", "ff")).open("hubspot", &sealed), Err(SealError::OtherKey { .. })));
        let again = seal(TEXT).seal("hubspot", &Plaintext::new("pat-123")).expect("sealed");
        assert_ne!(sealed, again, "a nonce was used twice");
    }

    #[test]
    fn every_garbled_byte_and_every_cut_is_noticed() {
        let sealed = seal(TEXT).seal("hubspot", &Plaintext::new("pat-123")).expect("sealed");
        for at in 0..sealed.len() {
            let mut garbled = sealed.clone();
            garbled[at] ^= 1;
            assert!(seal(TEXT).open("hubspot", &garbled).is_err(), "byte {at}");
            assert!(seal(TEXT).open("hubspot", &sealed[..at]).is_err(), "cut to {at}");
        }
    }

    #[test]
    fn texts_that_are_no_keys_are_refused() {
        for text in
            ["", "secret", &TEXT[1..], &TEXT.replace('0', "g"), &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])]
        {
            assert!(Seal::from_text(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let printed = format!("{:?} {:?}", Plaintext::new("pat-123"), seal(TEXT));
        assert_eq!(printed, "Plaintext(hidden) Seal(hidden)");
    }

    #[test]
    fn a_key_is_not_written_where_somebody_waits_for_it() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (path, elsewhere) = (dir.path().join("key"), dir.path().join("elsewhere"));
        fs::write(&elsewhere, "theirs").expect("written");
        let guessed = path.with_extension(format!("new-{}", std::process::id()));
        std::os::unix::fs::symlink(&elsewhere, guessed).expect("a link");
        Seal::from_file(&path).expect("made");
        assert_eq!(fs::read(&elsewhere).expect("there"), b"theirs");
        assert!(!fs::symlink_metadata(&path).expect("there").is_symlink());
    }

    #[test]
    fn a_key_file_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("data/key");
        let sealed = Seal::from_file(&path).expect("made").seal("a", &Plaintext::new("b")).expect("sealed");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("data")).expect("there").count(), 1, "a draft was left");
        assert_eq!(Seal::from_file(&path).expect("read").open("a", &sealed).expect("opened").expose(), b"b");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        let error = Seal::from_file(&path).expect_err("others may read it").to_string();
        assert!(error.contains("chmod 600"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changed");
        fs::write(&path, [0xff, 0xfe]).expect("written");
        assert!(matches!(Seal::from_file(&path), Err(SealError::FileInvalid { .. })));
    }
}
