//! Says what is wrong with a registry, from observations that others have written down.

use kreg_verify::doctor::{Observations, examine};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seen: Observations = serde_json::from_reader(std::io::stdin())?;
    for one in examine(&seen) {
        println!("{one}");
    }
    Ok(())
}
