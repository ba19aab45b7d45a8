//! People who do not exist, for rehearsals. Nothing of theirs can be anybody's: the phone's network code is handed out
//! to no operator, and no passport has so long a number.

use super::document::{BadDocument, Document, DocumentKind};
use super::phone::{BadPhone, Phone};

/// The first three digits of a simulated phone. The numbering plan keeps 164 in reserve.
const NETWORK: &str = "164";

/// The simulated buyer with this place in its opening's admission list: 0, 1, 2 …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulated(pub u32);

impl Simulated {
    fn number(self) -> u32 {
        self.0.saturating_add(1)
    }

    /// 模拟买家 00001
    pub fn name(self) -> String {
        format!("模拟买家 {:05}", self.number())
    }

    /// As a real roster's: S00001.
    pub fn code(self) -> String {
        format!("S{:05}", self.number())
    }

    pub fn phone(self) -> Result<Phone, BadPhone> {
        Phone::parse(&format!("{NETWORK}{:08}", self.number()))
    }

    /// A passport of fourteen characters: a real one has nine, some countries print a few more.
    pub fn document(self) -> Result<Document, BadDocument> {
        Document::new(DocumentKind::Passport, &format!("SIMULATED{:05}", self.number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::REHEARSAL_BUYERS_MAX;

    /// OP-38: every place has a person, and no two are one. Mutation caught: the number left out of the document.
    #[test]
    fn simulated_people_are_possible_and_distinct() {
        let mut seen = std::collections::HashSet::new();
        for place in [0, 1, 9_998, 9_999, u32::try_from(REHEARSAL_BUYERS_MAX).unwrap() - 1] {
            let person = Simulated(place);
            let phone = person.phone().unwrap();
            let document = person.document().unwrap();
            assert!(phone.as_str().starts_with(NETWORK));
            for text in [person.name(), person.code(), phone.as_str().to_owned(), document.identity()] {
                assert!(seen.insert(text));
            }
        }
        assert_eq!(Simulated(0).code(), "S00001");
        assert_eq!(Simulated(0).name(), "模拟买家 00001");
    }
}
