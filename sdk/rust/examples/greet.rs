//! A whole plugin with one operation.

use relrun_sdk::{About, Nothing, Outcome, Plugin, Result, config};

/// What a manifest configures.
#[config]
pub struct Config {
    /// Whom to greet.
    who: String,
}

struct Greet;

impl Plugin for Greet {
    type Config = Config;
    type Outputs = Nothing;
    type Receipt = Nothing;

    fn about() -> About {
        About { name: "greet", version: env!("CARGO_PKG_VERSION"), summary: "Writes a greeting to /out/greeting" }
    }

    fn apply(config: Config) -> Result<Outcome<Nothing, Nothing>> {
        std::fs::write("/out/greeting/index.txt", format!("Hello {}!\n", config.who))?;
        Ok(Outcome::done("greeted"))
    }
}

relrun_sdk::export!(Greet);
