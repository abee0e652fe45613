//! A number that is the same for the same body of a request, so that records tell repeated prompts without keeping any.
//!
//! XXH3, 64 bits, no seed: its specification is written down and final, so numbers of different builds, machines and
//! languages can be compared. foldhash and the standard library's hashers may change with any version, and BLAKE3 takes
//! ten times as long. It is not cryptographic and keeps no secret: whoever guesses a body can check the guess.

use twox_hash::XxHash3_64;

/// The number of a body, byte for byte: another order of keys is another body.
#[must_use]
pub fn prompt_hash(body: &[u8]) -> u64 {
    XxHash3_64::oneshot(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_specification_says() {
        // Made with libxxhash 0.8.4; one length at least for each way that it goes about them.
        let body: Vec<u8> = (0..=250).cycle().take(5000).collect();
        for (length, hash) in [
            (0, 0x2d06_8005_38d3_94c2),
            (1, 0xc44b_dff4_074e_ecdb),
            (3, 0x5f42_99fc_161c_9cbb),
            (8, 0x3a1c_2d7c_85af_88f8),
            (16, 0x8355_e3a6_f617_70db),
            (17, 0x9ef3_41a9_9de3_7328),
            (128, 0x85c6_174c_7ff4_c46b),
            (129, 0xec76_42b4_31ba_3e5a),
            (240, 0x375a_384d_957f_e865),
            (241, 0x02e8_cd95_421c_6d02),
            (1024, 0xe5d7_8baf_a45b_2aa5),
            (5000, 0xb418_500f_c423_20ee),
        ] {
            assert_eq!(prompt_hash(&body[..length]), hash, "{length}");
        }
    }

    #[test]
    fn a_key_moved_is_another_body() {
        assert_ne!(prompt_hash(br#"{"a":1,"b":2}"#), prompt_hash(br#"{"b":2,"a":1}"#));
    }
}
