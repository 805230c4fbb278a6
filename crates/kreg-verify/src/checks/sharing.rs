//! What lies in one repository is had in another, and lists come page by page.

use std::time::Duration;

use futures::future::BoxFuture;

use super::content::{PAGE, before};
use crate::check::{Check, Context, Outcome};
use kreg_registry::{RegistryError, Repository};

/// A layer is taken over from another repository without being sent.
#[derive(Clone, Copy, Debug)]
pub struct Mount;

/// The catalogue and the tags come page by page, each name once and none left out.
#[derive(Clone, Copy, Debug)]
pub struct Pages;

/// Most pages that are turned; a big registry's list is not read to its end by ones.
const PAGES: usize = 3;
/// How long the catalogue's page may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Check for Mount {
    fn name(&self) -> &str {
        "mount"
    }

    fn title(&self) -> String {
        "a layer is had in another repository without being sent".to_owned()
    }

    fn after(&self) -> &[&str] {
        &["push"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match mount(context).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn mount(context: &Context) -> Result<Outcome, RegistryError> {
    let (client, from) = (context.client(), &context.repository);
    let to: Repository = match format!("{from}/mount").parse() {
        Ok(to) => to,
        Err(error) => return Ok(Outcome::failed_by(&error)),
    };
    let Some(blob) = context.image.blobs().first() else {
        return Ok(Outcome::skipped("the probe image has no blob"));
    };
    context.litter.blob(&to, &blob.digest);
    if !client.mount_blob(&to, &blob.digest, from).await? {
        return Ok(Outcome::skipped(
            "the registry does not mount; clients send such a layer once more, which works as well",
        ));
    }
    let mut back = Vec::new();
    let most = blob.bytes.len() as u64;
    client.pull_blob(&to, &blob.digest, most, &mut back).await?;
    Ok(
        Outcome::pass(format!("{} bytes of {from} in {to}", back.len()))
            .with("blob", blob.digest.as_str()),
    )
}

impl Check for Pages {
    fn name(&self) -> &str {
        "list-pages"
    }

    fn title(&self) -> String {
        "lists come page by page, with nothing left out".to_owned()
    }

    // With `mount` there are two repositories at least, so that there is a page to turn.
    fn after(&self) -> &[&str] {
        &["push", "mount"]
    }

    fn run<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match pages(context).await {
                Ok(outcome) => outcome,
                Err(error) => Outcome::failed_by(&error),
            }
        })
    }
}

async fn pages(context: &Context) -> Result<Outcome, RegistryError> {
    let catalog = match catalog(context).await? {
        Ok(words) => words,
        Err(why) => return Ok(Outcome::fail(format!("the catalogue {why}"))),
    };
    Ok(match tags(context).await? {
        Ok(words) => Outcome::pass(format!("catalogue {catalog}; tags {words}")),
        Err(why) => Outcome::fail(format!("the list of tags {why}")),
    })
}

/// One page of one name. Every page costs the registry a walk over all its repositories, so no more
/// is asked for, and a registry that needs long for it has many of them and is not at fault.
async fn catalog(context: &Context) -> Result<Result<String, String>, RegistryError> {
    let own = context.repository.as_str();
    let client = context.client().with_timeout(PATIENCE);
    let mut pages = client.catalog(1, Some(before(own)));
    let page = match pages.next().await {
        Ok(page) => page.unwrap_or_default(),
        Err(RegistryError::Timeout { .. }) => {
            return Ok(Ok(format!(
                "not seen: it took longer than {} s, as with very many repositories; no pull asks for it",
                PATIENCE.as_secs()
            )));
        }
        Err(error) => return Err(error),
    };
    // What `mount` brought comes after it.
    if page == [own] && !pages.has_next() {
        return Ok(Err(format!(
            "ends after {own}, though {own}/mount is there: its Link header is missing"
        )));
    }
    Ok(judge(&[page], &[own.to_owned()], 1))
}

async fn tags(context: &Context) -> Result<Result<String, String>, RegistryError> {
    let (client, own) = (context.client(), context.tag.as_str());
    let list = |size| client.tags(&context.repository, size, Some(before(own)));
    let earlier = list(PAGE).next().await?.unwrap_or_default();
    let (mut turned, mut pages) = (Vec::new(), list(1));
    while turned.len() < PAGES
        && let Some(page) = pages.next().await?
    {
        turned.push(page);
    }
    let later = list(PAGE).next().await?.unwrap_or_default();
    let wanted = lasting(&earlier, &later, own);
    if !wanted.iter().any(|tag| tag == own) {
        return Ok(Err(format!("lacks {own}, though it was just pushed")));
    }
    Ok(match turned.as_slice() {
        // distribution 2.8 gives every tag at once, whatever is asked for; all of them is enough.
        [page] if wanted.iter().all(|tag| page.contains(tag)) => {
            Ok("all in one page, as distribution 2 gives them".to_owned())
        }
        turned => judge(turned, &wanted, PAGES),
    })
}

/// What was there all the time that pages were turned. Other checks and other runs push and delete
/// meanwhile; `own` is this check's to see.
fn lasting(before: &[String], after: &[String], own: &str) -> Vec<String> {
    let stays = |name: &&String| *name == own || after.contains(name);
    before.iter().filter(stays).cloned().collect()
}

/// Whether pages of one name each are the names that come next, as far as pages were turned. Names
/// that came or went meanwhile, in other hands, are not the pages' fault.
fn judge(pages: &[Vec<String>], wanted: &[String], most: usize) -> Result<String, String> {
    if let Some(page) = pages.iter().find(|page| page.len() > 1) {
        return Err(format!("gave {} names in a page for one", page.len()));
    }
    let names: Vec<&String> = pages.iter().flatten().collect();
    if names.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(format!("is out of order or repeats itself: {names:?}"));
    }
    let end = names.last();
    let passed = |name: &&String| end.is_some_and(|end| name <= end);
    let missing: Vec<_> = wanted
        .iter()
        .filter(passed)
        .filter(|name| !names.contains(name))
        .collect();
    let due = wanted.len().min(most);
    match (missing.as_slice(), names.len() < due) {
        ([], false) => Ok(format!("in {} of one name each", count(names.len()))),
        ([], true) => Err(format!(
            "ended after {}, and {due} names were due: its Link header leads nowhere",
            count(names.len())
        )),
        (missing, _) => Err(format!("leaves out {missing:?} between its pages")),
    }
}

fn count(pages: usize) -> String {
    match pages {
        1 => "1 page".to_owned(),
        many => format!("{many} pages"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pages: &[&[&str]], wanted: &[&str]) -> Result<String, String> {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let pages: Vec<Vec<String>> = pages.iter().map(|page| own(page)).collect();
        judge(&pages, &own(wanted), 3)
    }

    #[test]
    fn what_came_or_went_while_pages_were_turned_is_not_judged() {
        let own = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        // Another run's `b` went, and its `d` came.
        let (before, after) = (own(&["a", "b", "c"]), own(&["a", "c", "d"]));
        assert_eq!(lasting(&before, &after, "a"), ["a", "c"]);
        let wanted = lasting(&before, &after, "a");
        assert!(judge(&[own(&["a"]), own(&["c"])], &wanted, 3).is_ok());
        assert!(judge(&[own(&["a"]), own(&["d"])], &wanted, 3).is_err());
        // Its own must be there.
        assert_eq!(lasting(&before, &[], "b"), ["b"]);
    }

    #[test]
    fn pages_must_give_each_name_once_and_in_order() {
        assert_eq!(
            of(&[&["a"], &["b"], &["c"]], &["a", "b", "c", "d"]).unwrap(),
            "in 3 pages of one name each"
        );
        assert_eq!(of(&[&["a"]], &["a"]).unwrap(), "in 1 page of one name each");
        // One came meanwhile.
        assert!(of(&[&["a"], &["aa"], &["b"]], &["a", "b"]).is_ok());
        assert!(
            of(&[&["a", "b"]], &["a", "b"])
                .unwrap_err()
                .contains("2 names")
        );
        assert!(
            of(&[&["a"], &["a"]], &["a", "b"])
                .unwrap_err()
                .contains("repeats")
        );
        assert!(
            of(&[&["a"], &["c"]], &["a", "b", "c"])
                .unwrap_err()
                .contains("\"b\"")
        );
        assert!(of(&[&["a"]], &["a", "b"]).unwrap_err().contains("Link"));
        assert!(of(&[], &["a"]).is_err());
    }
}
