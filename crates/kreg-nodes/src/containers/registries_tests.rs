use super::*;
use rstest::rstest;

use super::super::{DROP_INS, REGISTRIES_CONF};

fn conf(files: &[(&str, &str)]) -> Result<RegistriesConf, RegistriesConfError> {
    let mut facts = NodeFacts::default();
    for (path, text) in files {
        facts.put(path, text);
    }
    RegistriesConf::of(&facts)
}

#[rstest]
#[case("docker-registry:5000", "docker-registry:5000", true)]
#[case("docker-registry:5000", "docker-registry:5000/a", true)]
#[case("docker-registry", "docker-registry:5000", true)]
#[case("docker-registry:500", "docker-registry:5000", false)]
#[case("*.example.com", "r.example.com:5000/a", true)]
#[case("*.example.com", "example.com", false)]
fn fits_as_containers_image_does(#[case] prefix: &str, #[case] name: &str, #[case] yes: bool) {
    assert_eq!(fits(prefix, name), yes);
}

#[test]
fn the_longest_prefix_and_of_equal_ones_the_later_file() {
    let (a, b) = (format!("{DROP_INS}/a.conf"), format!("{DROP_INS}/b.conf"));
    let read = conf(&[
            (REGISTRIES_CONF, "[[registry]]\nlocation = \"h:1\"\ninsecure = true\n"),
            (&b, "[[registry]]\nprefix = \"h:1\"\nlocation = \"last:1\"\n[[registry]]\nprefix = \"h:1\"\nlocation = \"hidden:1\"\n"),
            (&a, "[[registry]]\nprefix = \"h:1\"\nlocation = \"first:1\"\n[[registry]]\nprefix=\"h:1/team\"\nlocation=\"x/y\"\n"),
            ("/etc/containers/registries.conf.d/c.toml", "no conf"),
        ])
        .unwrap();
    assert_eq!(read.applying("h:1/app").unwrap().location, "last:1");
    assert_eq!(read.applying("h:1/team/app").unwrap().location, "x/y");
    assert_eq!(read.applying("other/app"), None);
    assert_eq!(read.within("h:1").count(), 1);
}

#[test]
fn a_main_file_of_version_1_blocks_and_is_insecure() {
    let old = "[registries.search]\nregistries = ['docker.io']\n";
    assert!(conf(&[(REGISTRIES_CONF, old)]).unwrap().tables.is_empty());
    let old = "[registries.insecure]\nregistries = ['a:1']\n[registries.block]\nregistries = ['a:1', 'b:1/']\n";
    let read = conf(&[(REGISTRIES_CONF, old)]).unwrap();
    let tables = read
        .tables
        .iter()
        .map(|t| (t.prefix.as_str(), t.insecure, t.blocked));
    let tables: Vec<_> = tables.collect();
    assert_eq!(tables, [("a:1", true, true), ("b:1", false, true)]);
}

#[rstest]
#[case::no_toml("[[", "registries.conf cannot be read")]
#[case::a_word_for_a_bool("[[registry]]\nlocation='a'\nblocked='yes'", "cannot be read")]
#[case::nothing("[[registry]]\n", "neither prefix nor location")]
#[case::no_location("[[registry]]\nprefix='a:1'\n", "for a:1 without a location")]
#[case::scheme("[[registry]]\nlocation='https://a:1'\n", "names https://a:1")]
#[case::search("unqualified-search-registries=['https://a']\n", "names https://a")]
#[case::wildcard("[[registry]]\nprefix='*.a:1'\nlocation='b'\n", "only a domain")]
#[case::mirror(
    "[[registry]]\nlocation='a'\n[[registry.mirror]]\n",
    "a mirror of a without"
)]
#[case::quarrel(
    "[[registry]]\nlocation='a'\n[[registry]]\nprefix='b'\nlocation='a'\ninsecure=true\n",
    "more than one [[registry]] for a"
)]
#[case::mixed(
    "[[registry]]\nlocation='a'\n[registries.block]\nregistries=['b']\n",
    "mixes the forms"
)]
fn what_containers_image_refuses_is_an_error(#[case] text: &str, #[case] said: &str) {
    let error = conf(&[(REGISTRIES_CONF, text)]).unwrap_err().to_string();
    assert!(error.contains(said), "{error}");
}
