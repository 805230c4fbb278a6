//! What rights are for, by name.

use std::str::FromStr;

use super::{Extras, Right, needed, needed_to_collect, needed_to_diagnose, needed_to_set_up};
use crate::place::Place;

/// What an account is to do with a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// Make it, give it other settings, remove it, and apply it as [`Purpose::Up`] does.
    Setup,
    /// All that is done after setup: the other purposes together.
    Operation,
    /// Apply it with the same settings, look at it, prove it, change certificates, users and the pull Secret.
    Up,
    /// Remove what no image needs, by a program in its Pod.
    Gc,
    /// Diagnose it, for which Pods, events and DaemonSets of every namespace are looked at.
    Doctor,
}

impl Purpose {
    const ALL: [Purpose; 5] = [
        Purpose::Setup,
        Purpose::Operation,
        Purpose::Up,
        Purpose::Gc,
        Purpose::Doctor,
    ];

    /// Its name, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Setup => "setup",
            Purpose::Operation => "operation",
            Purpose::Up => "up",
            Purpose::Gc => "gc",
            Purpose::Doctor => "doctor",
        }
    }

    /// The rights that it takes on the registry at this place.
    #[must_use]
    pub fn rights(self, place: &Place, extras: Extras) -> Vec<Right> {
        match self {
            Purpose::Setup => {
                let setup = needed_to_set_up(place, extras);
                [needed(place, extras), setup].concat()
            }
            Purpose::Operation => [Purpose::Up, Purpose::Gc, Purpose::Doctor]
                .iter()
                .flat_map(|one| one.rights(place, extras))
                .collect(),
            Purpose::Up => needed(place, extras),
            Purpose::Gc => needed_to_collect(place),
            Purpose::Doctor => needed_to_diagnose(place, extras),
        }
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.ok_or_else(|| format!("`{name}` is not a purpose of rights"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn a_name_leads_to_its_purpose_and_operation_has_the_rights_of_its_parts() {
        let place = Place::new(Profile::Default);
        let rights = |one: Purpose| one.rights(&place, Extras::default());
        for one in Purpose::ALL {
            assert_eq!(one.name().parse(), Ok(one));
        }
        assert!("all".parse::<Purpose>().is_err());
        for part in [Purpose::Up, Purpose::Gc, Purpose::Doctor] {
            let all = rights(Purpose::Operation);
            assert!(rights(part).iter().all(|right| all.contains(right)));
        }
    }
}
