//! Whose request it is, beside the tenant: user, feature, session and free tags.
//!
//! What a key or token fixes wins; then the gateway's own headers, then their aliases at other gateways, then the body.

use fastgate_core::failure::Failure;
use http::{HeaderMap, HeaderName};

use crate::guard::Caller;

/// Longest name of a user, feature, session or tag.
const NAME_LIMIT_BYTES: usize = 256;
/// Tags that a request may carry.
const TAG_LIMIT: usize = 16;

const USER: [HeaderName; 4] = [
    HeaderName::from_static("x-fastgate-user"),
    HeaderName::from_static("helicone-user-id"),
    HeaderName::from_static("x-litellm-customer-id"),
    HeaderName::from_static("x-litellm-end-user-id"),
];
const SESSION: [HeaderName; 4] = [
    HeaderName::from_static("x-fastgate-session"),
    HeaderName::from_static("helicone-session-id"),
    HeaderName::from_static("x-litellm-session-id"),
    HeaderName::from_static("x-bf-session-id"),
];
const FEATURE: [HeaderName; 1] = [HeaderName::from_static("x-fastgate-feature")];
const TAGS: HeaderName = HeaderName::from_static("x-fastgate-tags");

/// What all of them begin with.
const PREFIXES: [&str; 4] = ["x-fastgate-", "helicone-", "x-litellm-", "x-bf-"];

/// Names that a request is accounted under.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Who asked.
    pub user: Option<String>,
    /// Which product surface.
    pub feature: Option<String>,
    /// Which agent run or conversation.
    pub session: Option<String>,
    /// Free tags, from `x-fastgate-tags: name=value, name=value`.
    pub tags: Vec<(String, String)>,
}

impl Identity {
    /// Reads what the headers say.
    ///
    /// # Errors
    /// A header whose name is too long or not visible ASCII, or too many tags.
    pub(crate) fn read(caller: &Caller<'_>, headers: &HeaderMap) -> Result<Self, Failure> {
        let fixed = |name: Option<&str>| name.map(str::to_owned);
        let (user, feature) = (fixed(caller.user()), fixed(caller.feature()));
        // One pass over a few headers is cheaper than looking for each of these names.
        if !headers.keys().any(|name| PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))) {
            return Ok(Self { user, feature, ..Self::default() });
        }
        let named = |fixed: Option<String>, names| fixed.map_or_else(|| name_in(headers, names), |name| Ok(Some(name)));
        Ok(Self {
            user: named(user, &USER)?,
            feature: named(feature, &FEATURE)?,
            session: name_in(headers, &SESSION)?,
            tags: tags_in(headers)?,
        })
    }

    /// Fills in the user where only the body names one, or the key of this id stands for it.
    pub(crate) fn complete(&mut self, key: Option<&str>, body_user: Option<String>) {
        let named = body_user.filter(|user| (1..=NAME_LIMIT_BYTES).contains(&user.len()));
        self.user = self.user.take().or(named).or_else(|| Some(format!("key:{}", key?)));
    }
}

fn name_in(headers: &HeaderMap, names: &[HeaderName]) -> Result<Option<String>, Failure> {
    let Some((name, value)) = names.iter().find_map(|name| Some((name, headers.get(name)?))) else { return Ok(None) };
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) if text.len() <= NAME_LIMIT_BYTES => Ok(Some(text.to_owned())),
        _ => Err(invalid(name, &format!("must be at most {NAME_LIMIT_BYTES} visible ASCII characters"))),
    }
}

fn tags_in(headers: &HeaderMap) -> Result<Vec<(String, String)>, Failure> {
    let Some(value) = headers.get(TAGS) else { return Ok(Vec::new()) };
    let text = value.to_str().map_err(|_| invalid(&TAGS, "must be visible ASCII"))?;
    let tags = text.split(',').map(|tag| {
        let (name, value) = tag.split_once('=').ok_or_else(|| invalid(&TAGS, "must read `name=value, name=value`"))?;
        let (name, value) = (name.trim(), value.trim());
        let is_short = name.len().max(value.len()) <= NAME_LIMIT_BYTES;
        (is_short && !name.is_empty())
            .then(|| (name.to_owned(), value.to_owned()))
            .ok_or_else(|| invalid(&TAGS, "has an empty name, or a name or value that is too long"))
    });
    let tags: Vec<_> = tags.collect::<Result<_, _>>()?;
    if tags.len() > TAG_LIMIT {
        return Err(invalid(&TAGS, &format!("may carry {TAG_LIMIT} tags")));
    }
    Ok(tags)
}

fn invalid(name: &HeaderName, what: &str) -> Failure {
    Failure::invalid_request(format!("the header {name} {what}"), None)
}

#[cfg(test)]
mod tests {
    use fastgate_core::tables::Key;
    use http::HeaderValue;

    use super::*;
    use crate::guard::Credential;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_a_key_fixes_wins_then_headers_then_the_body_then_the_key() {
        let digest = "0123456789ab".repeat(6)[..64].to_owned();
        let mut key =
            Key { digest, tenant: 0, user: None, feature: None, models: None, deployments: None, expires_unix_s: None };
        let user = |key: &Key, pairs: &[(&'static str, &'static str)], body: Option<&str>| {
            let caller = Caller { credential: Credential::Key(key), tenant: 0 };
            let mut identity = Identity::read(&caller, &headers(pairs)).expect("valid");
            identity.complete(Some(key.id()), body.map(str::to_owned));
            identity.user
        };
        assert_eq!(user(&key, &[], None).as_deref(), Some("key:0123456789ab"));
        assert_eq!(user(&key, &[], Some("body")).as_deref(), Some("body"));
        assert_eq!(user(&key, &[("helicone-user-id", "alias")], Some("body")).as_deref(), Some("alias"));
        let both = [("helicone-user-id", "alias"), ("x-fastgate-user", "own")];
        assert_eq!(user(&key, &both, None).as_deref(), Some("own"));
        key.user = Some("fixed".into());
        assert_eq!(user(&key, &both, Some("body")).as_deref(), Some("fixed"));
    }

    #[test]
    fn every_name_begins_with_one_of_the_prefixes() {
        let (users, sessions, features, tags) = (USER, SESSION, FEATURE, [TAGS]);
        let names = users.iter().chain(&sessions).chain(&features).chain(&tags);
        assert!(names.map(HeaderName::as_str).all(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix))));
    }

    #[test]
    fn reads_tags_and_refuses_what_is_unbounded() {
        let caller = Caller { credential: Credential::None, tenant: 0 };
        let read = |pairs: &[(&'static str, &'static str)]| Identity::read(&caller, &headers(pairs));
        let identity = read(&[("x-fastgate-tags", "team=search, experiment = b")]).expect("valid");
        let expected = [("team", "search"), ("experiment", "b")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(identity.tags, expected);
        assert!(read(&[("x-fastgate-tags", "team")]).is_err() && read(&[("x-fastgate-tags", "=x")]).is_err());
        let long: &'static str = "u".repeat(NAME_LIMIT_BYTES + 1).leak();
        assert!(read(&[("x-fastgate-user", long)]).is_err());
    }
}
