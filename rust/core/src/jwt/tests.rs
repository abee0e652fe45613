//! Tokens signed here with Ed25519; RSA, PSS and ECDSA come from another implementation in `tests/jwks`.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://id.example.com/";
const NOW_UNIX_S: i64 = 1_800_000_000;

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn jwk(seed: u8, kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode(pair(seed).public_key())})
}

fn sets(keys: &[Value]) -> KeySets {
    let keys = KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    KeySets::default().with(ISSUER, &Arc::new(keys), |_| true)
}

fn issuer() -> JwtIssuer {
    serde_json::from_value(json!({
        "issuer": ISSUER, "audiences": ["gateway"], "algorithms": ["EdDSA", "RS256"], "leeway_s": 30, "required": [],
        "tenant_claim": "org", "tenants": {"a": 1, "b": 2}, "default_tenant": null, "user_claim": "sub",
        "feature_claim": null, "models_claim": null,
    }))
    .unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "gateway", "exp": NOW_UNIX_S + 300, "sub": "u-1", "org": "b"})
}

fn token(header: &Value, claims: &Value, seed: u8) -> Vec<u8> {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(pair(seed).sign(signed.as_bytes()));
    format!("{signed}.{signature}").into_bytes()
}

fn good(claims: &Value) -> Vec<u8> {
    token(&json!({"alg": "EdDSA", "kid": "one"}), claims, 1)
}

fn check(token: &[u8], issuer: JwtIssuer) -> Result<Option<Identity>, Refusal> {
    verify(token, &[issuer], &sets(&[jwk(1, "one"), jwk(2, "two")]), NOW_UNIX_S)
}

/// The claims of a good token with some replaced, or removed by null.
fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[test]
fn a_good_token_stands_for_somebody() {
    let identity = check(&good(&claims()), issuer()).unwrap().unwrap();
    let expected =
        Identity { tenant: 2, user: "u-1".into(), feature: None, models: None, expires_unix_s: NOW_UNIX_S + 300 };
    assert_eq!(identity, expected);
    for aud in [json!(["other", "gateway"]), json!(["gateway"])] {
        assert!(check(&good(&with(&json!({ "aud": aud }))), issuer()).is_ok());
    }
}

#[test]
fn each_claim_is_checked() {
    let missing = |name: &str| Refusal::Claim(name.into());
    let cases = [
        (json!({"exp": NOW_UNIX_S - 30}), Refusal::Expired),
        (json!({"exp": null}), missing("exp")),
        (json!({"exp": (NOW_UNIX_S + 300).to_string()}), missing("exp")),
        (json!({"nbf": NOW_UNIX_S + 31}), Refusal::NotYetValid),
        (json!({"nbf": "soon"}), missing("nbf")),
        (json!({"aud": "other"}), Refusal::Audience),
        (json!({"aud": null}), Refusal::Audience),
        (json!({"aud": []}), Refusal::Audience),
        (json!({"aud": {"gateway": 1}}), Refusal::Audience),
        (json!({"org": null}), missing("org")),
        (json!({"org": "c"}), Refusal::Tenant("org".into())),
        (json!({"org": ["a"]}), missing("org")),
        (json!({"sub": null}), missing("sub")),
        (json!({"sub": ""}), missing("sub")),
        (json!({"sub": "a\nb"}), missing("sub")),
        (json!({"sub": "x".repeat(256)}), missing("sub")),
    ];
    for (changes, refusal) in cases {
        assert_eq!(check(&good(&with(&changes)), issuer()), Err(refusal), "{changes}");
    }
    for changes in [
        json!({"exp": NOW_UNIX_S - 29}),
        json!({"nbf": NOW_UNIX_S + 30}),
        json!({"exp": 1_800_000_000.5}),
        json!({"exp": 1e300}),
    ] {
        assert!(check(&good(&with(&changes)), issuer()).is_ok(), "within the leeway: {changes}");
    }
    let needs_scope = JwtIssuer { required: vec!["scope".into()], ..issuer() };
    assert_eq!(check(&good(&claims()), needs_scope), Err(missing("scope")));
}

#[test]
fn a_default_tenant_is_for_tokens_without_the_claim_only() {
    let defaulting = || JwtIssuer { default_tenant: Some(0), ..issuer() };
    let tenant = |changes: &Value| check(&good(&with(changes)), defaulting()).map(|found| found.unwrap().tenant);
    assert_eq!(tenant(&json!({"org": null})), Ok(0));
    assert_eq!(tenant(&json!({"org": "a"})), Ok(1));
    assert_eq!(tenant(&json!({"org": "c"})), Err(Refusal::Tenant("org".into())));
}

#[test]
fn what_a_token_fixes_has_to_be_in_it() {
    let fixing = || JwtIssuer { feature_claim: Some("app".into()), models_claim: Some("models".into()), ..issuer() };
    let found = |changes: &Value| check(&good(&with(changes)), fixing()).map(Option::unwrap);
    for models in [json!("m1 m2"), json!(["m1", "m2"])] {
        let identity = found(&json!({"app": 7, "models": models})).unwrap();
        assert_eq!(identity.feature.as_deref(), Some("7"));
        assert_eq!(identity.models.unwrap(), ["m1", "m2"]);
    }
    assert_eq!(found(&json!({"models": "m1"})), Err(Refusal::Claim("app".into())));
    assert_eq!(found(&json!({"app": "x"})), Err(Refusal::Claim("models".into())));
    assert_eq!(found(&json!({"app": "x", "models": [1]})), Err(Refusal::Claim("models".into())));
    assert_eq!(found(&json!({"app": "x", "models": ""})).unwrap().models.unwrap(), Vec::<String>::new());
}

#[test]
fn the_right_key_has_to_have_signed() {
    let signed = |header: Value, seed| check(&token(&header, &claims(), seed), issuer());
    assert!(signed(json!({"alg": "EdDSA", "kid": "two"}), 2).is_ok());
    assert_eq!(signed(json!({"alg": "EdDSA", "kid": "one"}), 2), Err(Refusal::Signature));
    assert_eq!(signed(json!({"alg": "EdDSA", "kid": "three"}), 1), Err(Refusal::UnknownKey));
    assert_eq!(signed(json!({"alg": "EdDSA"}), 1), Err(Refusal::NoKeyNamed));
    assert_eq!(signed(json!({"alg": "RS256", "kid": "one"}), 1), Err(Refusal::UnknownKey));
    for alg in ["none", "None", "HS256", "ES256", "", "eddsa"] {
        assert_eq!(signed(json!({"alg": alg, "kid": "one"}), 1), Err(Refusal::Algorithm), "{alg}");
    }
    let own_key = json!({"alg": "EdDSA", "kid": "three", "jwk": jwk(3, "three"), "jku": "https://evil.example"});
    assert_eq!(signed(own_key, 3), Err(Refusal::UnknownKey));
    assert_eq!(signed(json!({"alg": "EdDSA", "kid": "one", "crit": ["b64"]}), 1), Err(Refusal::CriticalHeader));
    let unsigned = token(&json!({"alg": "EdDSA", "kid": "one"}), &claims(), 1);
    let unsigned = &unsigned[..=unsigned.iter().rposition(|byte| *byte == b'.').unwrap()];
    assert_eq!(check(unsigned, issuer()), Err(Refusal::Signature));
}

#[test]
fn a_single_key_needs_no_name() {
    let nameless = token(&json!({"alg": "EdDSA"}), &claims(), 1);
    let rsa_beside_it = json!({"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xd5; 256])});
    assert!(verify(&nameless, &[issuer()], &sets(&[jwk(1, "one"), rsa_beside_it]), NOW_UNIX_S).is_ok());
    assert_eq!(verify(&nameless, &[issuer()], &KeySets::default(), NOW_UNIX_S), Err(Refusal::NoKeys));
}

#[test]
fn only_keys_that_can_check_signatures_count() {
    let mut encrypts = jwk(1, "one");
    encrypts["use"] = json!("enc");
    let mut signs_otherwise = jwk(1, "one");
    signs_otherwise["alg"] = json!("Ed448");
    let short = json!({"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([0xd5; 128])});
    let secret = json!({"kty": "oct", "k": "c2VjcmV0"});
    let padded = json!({"kty": "RSA", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([vec![0], vec![0xd5; 256]].concat())});
    let read = |keys: &[Value]| KeySet::read(json!({ "keys": keys }).to_string().as_bytes()).map(|set| set.len());
    for unusable in [&encrypts, &signs_otherwise, &short, &secret, &json!({}), &json!(7)] {
        assert!(read(std::slice::from_ref(unusable)).is_err(), "{unusable}");
        assert_eq!(read(&[unusable.clone(), jwk(1, "one")]), Ok(1));
    }
    assert_eq!(read(&[padded]), Ok(1));
    assert!(read(&vec![jwk(1, "one"); 101]).is_err());
    assert!(KeySet::read(b"<html>").is_err() && KeySet::read(&vec![b' '; 300_000]).is_err());
}

#[test]
fn other_credentials_are_left_to_the_virtual_keys() {
    let mut tokens = VerifiedTokens::default();
    let mut look = |presented: &[u8]| {
        tokens.authenticate(presented, &[issuer()], &sets(&[jwk(1, "one")]), NOW_UNIX_S).map(|found| found.is_some())
    };
    assert_eq!(look(b"fg_0123456789"), Ok(false));
    assert_eq!(look(b"eyJ.eyJ.x"), Ok(false));
    assert_eq!(look(&good(&with(&json!({"iss": "https://elsewhere.example"})))), Ok(false));
    assert_eq!(look(&good(&with(&json!({"iss": "https://id.example.com"})))), Ok(false), "a slash less");
    assert_eq!(look(&good(&with(&json!({"more": "x".repeat(8000)})))), Err(Refusal::TooLarge));
    assert_eq!(look(&good(&claims())), Ok(true));
}

#[test]
fn a_verified_token_is_kept_until_it_expires_and_at_most_a_minute() {
    let keys = sets(&[jwk(1, "one")]);
    // With the key gone, only what is kept still passes.
    let check = |tokens: &mut VerifiedTokens, token: &[u8], keys: &KeySets, after_s| {
        tokens.authenticate(token, &[issuer()], keys, NOW_UNIX_S + after_s).is_ok()
    };
    for (lives_s, kept_s) in [(300, 60), (10, 10)] {
        let mut tokens = VerifiedTokens::default();
        let token = good(&with(&json!({"exp": NOW_UNIX_S + lives_s})));
        assert!(check(&mut tokens, &token, &keys, 0));
        assert!(check(&mut tokens, &token, &KeySets::default(), kept_s - 1));
        assert!(!check(&mut tokens, &token, &KeySets::default(), kept_s));
    }
}

#[test]
fn the_memory_of_verified_tokens_is_bounded_and_keeps_those_in_use() {
    let keys = sets(&[jwk(1, "one")]);
    let mut tokens = VerifiedTokens::default();
    let favourite = good(&claims());
    assert!(tokens.authenticate(&favourite, &[issuer()], &keys, NOW_UNIX_S).is_ok());
    for number in 0..6000 {
        let other = good(&with(&json!({"sub": number.to_string()})));
        assert!(tokens.authenticate(&other, &[issuer()], &keys, NOW_UNIX_S).is_ok());
        if number % 1000 == 0 {
            assert!(tokens.authenticate(&favourite, &[issuer()], &KeySets::default(), NOW_UNIX_S).is_ok());
        }
    }
    assert!(tokens.len() <= 4096, "{}", tokens.len());
}

proptest! {
    /// One changed byte, anywhere: refused, or no token at all; never another identity.
    #[test]
    fn an_altered_token_never_passes(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut altered = good(&claims());
        let at = at.index(altered.len());
        prop_assume!(altered[at] != byte);
        altered[at] = byte;
        prop_assert!(!matches!(check(&altered, issuer()), Ok(Some(_))));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "eyJ[a-zA-Z0-9_.-]{0,80}") {
        prop_assert!(!matches!(check(&bytes, issuer()), Ok(Some(_))));
        prop_assert!(!matches!(check(text.as_bytes(), issuer()), Ok(Some(_))));
        let _ = KeySet::read(&bytes);
    }
}
