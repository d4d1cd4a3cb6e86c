//! The forms in which one name or password travels (RFC 8489, section 9.2.2).
//!
//! RFC 8489 prepares both with the OpaqueString profile (RFC 8265, section 4.2), RFC 5389 did it
//! with SASLprep (RFC 4013), and many clients prepare nothing. For ASCII all three are the same;
//! for the rest a static user is known by every form. What a profile would refuse is accepted as it
//! stands: it only has to be the same on both sides.

use unicode_normalization::UnicodeNormalization;

/// The distinct forms of a text, the written one first.
pub(super) fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    if text.is_ascii() {
        return forms;
    }
    let sasl = stringprep::saslprep(text).ok().map(|prepared| prepared.into_owned());
    for form in [Some(opaque(text)), sasl].into_iter().flatten() {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// OpaqueString: spaces beyond ASCII become the ASCII one, then composed (NFC).
fn opaque(text: &str) -> String {
    let space =
        |letter| if stringprep::tables::non_ascii_space_character(letter) { ' ' } else { letter };
    text.chars().map(space).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_has_one_form() {
        assert_eq!(forms("hunter2"), ["hunter2"]);
    }

    #[test]
    fn the_password_of_rfc_5769_has_its_prepared_form() {
        let written = "The\u{AD}M\u{AA}tr\u{2168}";
        assert_eq!(forms(written), [written, "TheMatrIX"]);
    }

    #[test]
    fn opaque_strings_are_composed_and_keep_their_width() {
        // A decomposed e with acute, an ideographic space, a full-width letter.
        let written = "e\u{301}\u{3000}\u{FF21}";
        assert_eq!(forms(written), [written, "\u{E9} \u{FF21}", "\u{E9} A"]);
    }
}
