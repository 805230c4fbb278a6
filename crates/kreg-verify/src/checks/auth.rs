//! Who gets in, and who does not.

use futures::future::BoxFuture;
use http::StatusCode;
use kreg_auth::Credentials;

use crate::check::{Check, Context, Outcome};
use crate::image::Nonce;
use kreg_registry::{Answer, RegistryClient};

/// The configured user gets in.
#[derive(Clone, Copy, Debug)]
pub struct Login;

/// Nobody gets in without a user, and is told to give one by HTTP basic authentication.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

/// The configured user does not get in with another password.
#[derive(Clone, Copy, Debug)]
pub struct WrongPassword;

/// One more user gets in, by name.
#[derive(Clone, Debug)]
pub struct User {
    credentials: Credentials,
}

impl User {
    /// The check for this user.
    #[must_use]
    pub fn new(credentials: Credentials) -> User {
        User { credentials }
    }
}

impl Check for User {
    fn name(&self) -> &str {
        "user"
    }

    fn title(&self) -> String {
        format!("user {} gets in", self.credentials.username())
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { entry(context, &self.credentials).await })
    }
}

impl Check for Login {
    fn name(&self) -> &str {
        "login"
    }

    fn title(&self) -> String {
        "the user with the right password gets in".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { entry(context, &context.target.credentials).await })
    }
}

impl Check for Anonymous {
    fn name(&self) -> &str {
        "anonymous"
    }

    fn title(&self) -> String {
        "nobody gets in without a password".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { refusal(&context.anonymous(), "without a password").await })
    }
}

impl Check for WrongPassword {
    fn name(&self) -> &str {
        "wrong-password"
    }

    fn title(&self) -> String {
        "nobody gets in with a wrong password".to_owned()
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let user = context.target.credentials.username();
            // Thirty-two random hex digits are nobody's password.
            let wrong = Nonce::random().map(|nonce| Credentials::new(user, nonce.to_string()));
            match wrong {
                Ok(Ok(wrong)) => {
                    let client = context.anonymous().with_credentials(&wrong);
                    refusal(&client, "with a wrong password").await
                }
                Ok(Err(error)) => Outcome::failed_by(&error),
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn entry(context: &Context, credentials: &Credentials) -> Outcome {
    let user = credentials.username();
    let client = context.anonymous().with_credentials(credentials);
    match client.ping().await {
        Ok(answer) if answer.status == StatusCode::OK => {
            Outcome::pass(format!("200 for user {user}"))
        }
        Ok(answer) => Outcome::failed_by(&answer.into_error()),
        Err(error) => Outcome::failed_by(&error),
    }
}

async fn refusal(client: &RegistryClient, how: &str) -> Outcome {
    match client.ping().await {
        Ok(answer) => judge_refusal(answer, how),
        Err(error) => Outcome::failed_by(&error),
    }
}

/// Passes on 401 with a Basic challenge (RFC 7617), on nothing else.
fn judge_refusal(answer: Answer, how: &str) -> Outcome {
    let challenge = answer
        .header("www-authenticate")
        .unwrap_or_default()
        .to_owned();
    let basic = challenge
        .get(..6)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic "));
    match answer.status {
        StatusCode::UNAUTHORIZED if basic => Outcome::pass(format!("401, {challenge}")),
        StatusCode::UNAUTHORIZED => Outcome::fail(format!(
            "401 {how}, but no Basic challenge that clients could answer (WWW-Authenticate: {challenge:?}); \
             is REGISTRY_AUTH=htpasswd set?"
        )),
        StatusCode::OK => Outcome::fail(format!(
            "the registry lets anybody in {how}: it answered 200; set REGISTRY_AUTH=htpasswd with its realm and path"
        )),
        _ => Outcome::failed_by(&answer.into_error()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::check::Status;

    fn answer(status: u16, challenge: Option<&'static str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(challenge) = challenge {
            headers.insert("www-authenticate", HeaderValue::from_static(challenge));
        }
        Answer {
            request: "GET https://r:5000/v2/".into(),
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::new(),
        }
    }

    #[test]
    fn only_a_401_with_a_basic_challenge_is_a_refusal() {
        let of = |status, challenge| judge_refusal(answer(status, challenge), "x");
        assert_eq!(
            of(401, Some("Basic realm=\"Registry Realm\"")).status,
            Status::Pass
        );
        assert_eq!(of(401, Some("basic realm=\"r\"")).status, Status::Pass);
        for (status, challenge) in [
            (401, None),
            (401, Some("Bearer realm=\"https://t\"")),
            (200, None),
            (200, Some("Basic realm=\"r\"")),
            (400, None),
            (403, Some("Basic realm=\"r\"")),
            (503, None),
        ] {
            let outcome = of(status, challenge);
            assert_eq!(
                outcome.status,
                Status::Fail,
                "{status} {challenge:?}: {}",
                outcome.message
            );
        }
    }
}
