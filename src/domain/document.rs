//! Identity documents: kind and number in canonical form, checked as far as the number itself allows. Region codes are
//! not checked (they are renamed every year); nobody is looked up anywhere.

use std::fmt;

use super::text::compact;

/// Longer than any number below; keeps a hostile cell from being walked.
const NUMBER_CHARS_MAX: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentKind {
    /// 居民身份证: 18 characters, ISO 7064 MOD 11-2.
    ResidentId,
    /// 护照
    Passport,
    /// 港澳居民来往内地通行证
    HkMacaoPermit,
    /// 台湾居民来往大陆通行证
    TaiwanPermit,
    /// 外国人永久居留身份证
    ForeignPermanentId,
    /// 港澳台居民居住证: built like a resident's card.
    HmtResidencePermit,
    /// 军官证, 士兵证, 警官证
    OfficerId,
}

use DocumentKind::{
    ForeignPermanentId, HkMacaoPermit, HmtResidencePermit, OfficerId, Passport, ResidentId, TaiwanPermit,
};

impl DocumentKind {
    pub const ALL: [Self; 7] = [
        ResidentId,
        Passport,
        HkMacaoPermit,
        TaiwanPermit,
        ForeignPermanentId,
        HmtResidencePermit,
        OfficerId,
    ];

    /// The stable name in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ResidentId => "resident_id",
            Passport => "passport",
            HkMacaoPermit => "hk_macao_permit",
            TaiwanPermit => "taiwan_permit",
            ForeignPermanentId => "foreign_permanent_id",
            HmtResidencePermit => "hmt_residence_permit",
            OfficerId => "officer_id",
        }
    }

    /// Reads [`DocumentKind::as_str`] back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind that an office's words name, if they name one.
    pub fn from_label(label: &str) -> Option<Self> {
        let label = compact(label).to_lowercase();
        // The permits' long names contain each other's words, so the order matters.
        let has = |word: &str| label.contains(word);
        Some(match label.as_str() {
            _ if has("永久居留") || has("外国人居留") => ForeignPermanentId,
            _ if has("居住证") => HmtResidencePermit,
            _ if has("护照") || has("passport") => Passport,
            _ if has("台胞") || has("台湾") => TaiwanPermit,
            _ if has("回乡证") || has("港澳") => HkMacaoPermit,
            _ if has("军官") || has("士兵") || has("军人") || has("警官") || has("文职") => {
                OfficerId
            }
            _ if has("身份证") || label == "id" || has("idcard") => ResidentId,
            _ => return None,
        })
    }

    /// The only kind a bare number can mean, where a sheet does not say: a resident's card, a permit that begins with H
    /// or M, a passport of letters and digits. Plain short numbers could be anything.
    pub fn guess(number: &str) -> Option<Self> {
        let number = canonical(number);
        let letters = number.bytes().take_while(u8::is_ascii_uppercase).count();
        [ResidentId, HkMacaoPermit, Passport].into_iter().find(|kind| {
            let says_so =
                *kind != Passport || ((1..=2).contains(&letters) && (8..=10).contains(&number.len()));
            says_so && shape_fits(*kind, number.as_bytes(), &number)
        })
    }
}

/// What is wrong with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    #[error("the number does not have the shape of its kind")]
    Shape,
    #[error("the date of birth inside the number does not exist")]
    Date,
    #[error("the check digit does not match")]
    CheckDigit,
}

/// `Debug` shows the tail only: a log line must not leak the number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Document {
    kind: DocumentKind,
    number: String,
}

impl Document {
    pub fn new(kind: DocumentKind, written: &str) -> Result<Self, BadDocument> {
        let number = canonical(written);
        if !shape_fits(kind, number.as_bytes(), &number) {
            return Err(BadDocument::Shape);
        }
        if number.len() == 18 && matches!(kind, ResidentId | HmtResidencePermit | ForeignPermanentId) {
            check_card(number.as_bytes())?;
        }
        Ok(Self { kind, number })
    }

    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The canonical number, for the vault.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// One text for kind and number together: what two rows must not share.
    pub fn identity(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.number)
    }

    /// The last four characters.
    pub fn tail(&self) -> &str {
        let cut = self.number.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
        &self.number[cut..]
    }

    /// `**************0009`
    pub fn masked(&self) -> String {
        format!("{}{}", "*".repeat(self.number.chars().count().saturating_sub(4)), self.tail())
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.masked())
    }
}

/// Without spaces, hyphens and brackets, in capitals.
fn canonical(written: &str) -> String {
    compact(written).to_uppercase().chars().filter(|c| !matches!(c, '-' | '(' | ')' | '.')).collect()
}

fn shape_fits(kind: DocumentKind, bytes: &[u8], number: &str) -> bool {
    let digits = |b: &[u8]| b.iter().all(u8::is_ascii_digit);
    let alnum = |b: &[u8]| b.iter().all(u8::is_ascii_alphanumeric);
    let card = |b: &[u8]| b.len() == 18 && digits(&b[..17]) && (b[17].is_ascii_digit() || b[17] == b'X');
    match kind {
        ResidentId => card(bytes),
        HmtResidencePermit => card(bytes) && matches!(bytes, [b'8', b'1'..=b'3', ..]),
        // The older card has three letters and twelve digits; the one of 2023 is built like a resident's and begins with 9.
        ForeignPermanentId => {
            (card(bytes) && bytes[0] == b'9')
                || (bytes.len() == 15 && bytes[..3].iter().all(u8::is_ascii_uppercase) && digits(&bytes[3..]))
        }
        // Passports of all countries: ICAO allows nine characters, some print more.
        Passport => (5..=15).contains(&bytes.len()) && alnum(bytes) && bytes.iter().any(u8::is_ascii_digit),
        // H or M, eight digits, and on older cards two more for the number of the issue.
        HkMacaoPermit => {
            matches!(bytes.len(), 9 | 11) && matches!(bytes[0], b'H' | b'M') && digits(&bytes[1..])
        }
        // Eight digits; older ones ten digits and a letter.
        TaiwanPermit => match bytes.len() {
            8 | 10 => digits(bytes),
            11 => digits(&bytes[..10]) && alnum(&bytes[10..]),
            _ => false,
        },
        // "南字第01234567号" and plain numbers alike.
        OfficerId => {
            let chars = number.chars().count();
            (5..=NUMBER_CHARS_MAX).contains(&chars)
                && number.chars().all(char::is_alphanumeric)
                && bytes.iter().filter(|b| b.is_ascii_digit()).count() >= 4
        }
    }
}

/// The date and the check digit of an eighteen-character card; the shape is known to fit.
fn check_card(bytes: &[u8]) -> Result<(), BadDocument> {
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().fold(0_i16, |sum, b| sum * 10 + i16::from(b - b'0'))
    };
    let (year, month, day) = (number(6..10), number(10..12), number(12..14));
    let month = i8::try_from(month).map_err(|_| BadDocument::Date)?;
    let day = i8::try_from(day).map_err(|_| BadDocument::Date)?;
    if !(1900..=2099).contains(&year) || jiff::civil::Date::new(year, month, day).is_err() {
        return Err(BadDocument::Date);
    }
    // ISO 7064 MOD 11-2: the weights are powers of two modulo eleven.
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(|(b, weight)| u32::from(b - b'0') * weight).sum();
    let expected = b"10X98765432"[(sum % 11) as usize];
    if bytes[17] == expected { Ok(()) } else { Err(BadDocument::CheckDigit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_cards_are_checked_by_date_and_digit() {
        let card = |number: &str| Document::new(ResidentId, number);
        assert_eq!(card("99000019610402053x").unwrap().number(), "99000019610402053X");
        assert_eq!(card("９９００００１９５８０１０１０００９").unwrap().number(), "990000195801010009");
        assert_eq!(card("990000 19580101 0009").unwrap().tail(), "0009");
        assert_eq!(card("990000196802160550"), Err(BadDocument::CheckDigit));
        assert_eq!(card("990000202302300012"), Err(BadDocument::Date));
        assert_eq!(card("990000195813010009"), Err(BadDocument::Date));
        assert_eq!(card("99000019580101000"), Err(BadDocument::Shape));
        assert_eq!(card("99000X195801010009"), Err(BadDocument::Shape));
        assert_eq!(card(""), Err(BadDocument::Shape));
    }

    /// Whatever digit is changed, the check digit or the date notices: MOD 11-2 finds every single-digit error.
    #[test]
    fn no_single_wrong_digit_passes() {
        let right = "990000195801010009";
        for at in 0..17 {
            for digit in '0'..='9' {
                let mut wrong: Vec<char> = right.chars().collect();
                if wrong[at] != digit {
                    wrong[at] = digit;
                    let wrong: String = wrong.into_iter().collect();
                    assert!(Document::new(ResidentId, &wrong).is_err(), "{wrong}");
                }
            }
        }
    }

    #[test]
    fn other_kinds_have_shapes() {
        for (kind, number, fits) in [
            (Passport, "E10000007", true),
            (Passport, "e1000-0007", true),
            (Passport, "ABCDEFGHI", false),
            (Passport, "E1", false),
            (HkMacaoPermit, "H0010000009", true),
            (HkMacaoPermit, "M12345678", true),
            (HkMacaoPermit, "H12345678(01)", true),
            (HkMacaoPermit, "X12345678", false),
            (HkMacaoPermit, "H1234567", false),
            (TaiwanPermit, "01234567", true),
            (TaiwanPermit, "0123456789(B)", true),
            (TaiwanPermit, "T1234567", false),
            (ForeignPermanentId, "CHN110080010112", true),
            (ForeignPermanentId, "CHN11008001011", false),
            (HmtResidencePermit, "810000195801010009", false),
            (OfficerId, "南字第01234567号", true),
            (OfficerId, "不详", false),
        ] {
            assert_eq!(Document::new(kind, number).is_ok(), fits, "{kind:?} {number}");
        }
    }

    #[test]
    fn labels_name_kinds() {
        for (label, kind) in [
            ("居民身份证", Some(ResidentId)),
            (" 身份证 ", Some(ResidentId)),
            ("护照", Some(Passport)),
            ("港澳居民来往内地通行证", Some(HkMacaoPermit)),
            ("回乡证", Some(HkMacaoPermit)),
            ("台湾居民来往大陆通行证", Some(TaiwanPermit)),
            ("台胞证", Some(TaiwanPermit)),
            ("外国人永久居留身份证", Some(ForeignPermanentId)),
            ("港澳台居民居住证", Some(HmtResidencePermit)),
            ("军官证", Some(OfficerId)),
            ("驾驶证", None),
            ("", None),
        ] {
            assert_eq!(DocumentKind::from_label(label), kind, "{label}");
        }
        for kind in DocumentKind::ALL {
            assert_eq!(DocumentKind::from_name(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_bare_number_is_guessed_only_by_shape() {
        assert_eq!(DocumentKind::guess("990000198011190029"), Some(ResidentId));
        assert_eq!(DocumentKind::guess("H0010000009"), Some(HkMacaoPermit));
        assert_eq!(DocumentKind::guess("E10000007"), Some(Passport));
        assert_eq!(DocumentKind::guess("01234567"), None);
        assert_eq!(DocumentKind::guess("990000198011190"), None);
        assert_eq!(DocumentKind::guess("不详"), None);
    }

    #[test]
    fn debug_shows_the_tail_only() {
        let document = Document::new(ResidentId, "990000195801010009").unwrap();
        assert_eq!(format!("{document:?}"), "resident_id:**************0009");
        assert_eq!(document.identity(), "resident_id:990000195801010009");
    }
}
