//! What WeChat itself sends to a server: is it from WeChat, and what does it say?
//!
//! ```text
//!   base64 ─► AES-256-CBC, IV = first 16 bytes of the key ─►  random 16 ‖ length (u32, big-endian) ‖ message ‖ app id ‖ padding
//! ```
//!
//! The padding is PKCS #7 to 32 bytes, not to AES's 16. The signature is checked before anything is opened.

use aes::Aes256;
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::account::Secret;
use crate::limits::WECHAT_MESSAGE_BYTES_MAX;

const BLOCK: usize = 32;
const HEAD: usize = 16 + 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the EncodingAESKey is not 43 characters of base64")]
    Key,
    #[error("the signature does not match")]
    Signature,
    #[error("the message does not open")]
    Unreadable,
    #[error("the message is for another account")]
    OtherAccount,
    #[error("the message is too long")]
    TooLong,
}

/// The two secrets that the account's settings and ours share.
pub struct Envelope {
    token: Secret,
    key: Zeroizing<[u8; 32]>,
    app_id: String,
}

/// An answer, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub encrypt: String,
    pub msg_signature: String,
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

impl Envelope {
    pub fn new(token: Secret, encoding_aes_key: &Secret, app_id: &str) -> Result<Self, EnvelopeError> {
        // 43 characters are 258 bits: the last two are left over, and not always zero.
        let lenient =
            GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
        let padded = Zeroizing::new(format!("{}=", encoding_aes_key.expose()));
        let bytes = Zeroizing::new(lenient.decode(padded.as_bytes()).map_err(|_| EnvelopeError::Key)?);
        let key: [u8; 32] = bytes.as_slice().try_into().map_err(|_| EnvelopeError::Key)?;
        Ok(Self { token, key: Zeroizing::new(key), app_id: app_id.to_owned() })
    }

    /// Whether WeChat asks: then its `echostr` is sent back.
    pub fn is_from_wechat(&self, signature: &str, timestamp: &str, nonce: &str) -> bool {
        same(&signed(&[self.token.expose(), timestamp, nonce]), signature)
    }

    /// The message in `encrypt`.
    pub fn open(
        &self,
        msg_signature: &str,
        timestamp: &str,
        nonce: &str,
        encrypt: &str,
    ) -> Result<String, EnvelopeError> {
        if encrypt.len() > WECHAT_MESSAGE_BYTES_MAX {
            return Err(EnvelopeError::TooLong);
        }
        if !same(&signed(&[self.token.expose(), timestamp, nonce, encrypt]), msg_signature) {
            return Err(EnvelopeError::Signature);
        }
        let mut bytes = STANDARD.decode(encrypt).map_err(|_| EnvelopeError::Unreadable)?;
        let (key, iv) = self.key_and_iv();
        let plain = cbc::Decryptor::<Aes256>::new(&key.into(), &iv.into())
            .decrypt_padded::<NoPadding>(&mut bytes)
            .map_err(|_| EnvelopeError::Unreadable)?;
        let (message, app_id) = parts(plain).ok_or(EnvelopeError::Unreadable)?;
        if app_id != self.app_id.as_bytes() {
            return Err(EnvelopeError::OtherAccount);
        }
        String::from_utf8(message.to_vec()).map_err(|_| EnvelopeError::Unreadable)
    }

    pub fn seal(&self, message: &str, timestamp: &str, nonce: &str) -> Result<Sealed, EnvelopeError> {
        let length = u32::try_from(message.len()).map_err(|_| EnvelopeError::TooLong)?;
        let mut bytes = vec![0_u8; 16];
        rand::fill(bytes.as_mut_slice());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(message.as_bytes());
        bytes.extend_from_slice(self.app_id.as_bytes());
        let padding = BLOCK - bytes.len() % BLOCK;
        // At most 32.
        bytes.resize(bytes.len() + padding, u8::try_from(padding).unwrap_or(0));
        let (key, iv) = self.key_and_iv();
        let length = bytes.len();
        let sealed = cbc::Encryptor::<Aes256>::new(&key.into(), &iv.into())
            .encrypt_padded::<NoPadding>(&mut bytes, length)
            .map_err(|_| EnvelopeError::TooLong)?;
        let encrypt = STANDARD.encode(sealed);
        let msg_signature = signed(&[self.token.expose(), timestamp, nonce, &encrypt]);
        Ok(Sealed { encrypt, msg_signature })
    }

    fn key_and_iv(&self) -> ([u8; 32], [u8; 16]) {
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.key[..16]);
        (*self.key, iv)
    }
}

/// Message and app id, of what stands in the envelope.
fn parts(plain: &[u8]) -> Option<(&[u8], &[u8])> {
    let padding = usize::from(*plain.last()?);
    let end = plain.len().checked_sub(padding)?;
    let (body, pad) = plain.split_at_checked(end)?;
    if !(1..=BLOCK).contains(&padding) || pad.iter().any(|byte| usize::from(*byte) != padding) {
        return None;
    }
    let (head, rest) = body.split_at_checked(HEAD)?;
    let length = u32::from_be_bytes(*head.last_chunk::<4>()?);
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn signed(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat()))
}

/// In constant time: whoever guesses learns nothing by how long it took.
fn same(ours: &str, given: &str) -> bool {
    bool::from(ours.as_bytes().ct_eq(given.as_bytes()))
}

#[cfg(test)]
mod tests;
