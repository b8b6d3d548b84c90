//! Writes a greeting.

use relrun_sdk::{About, Nothing, Outcome, Plugin, Result, config, log, outputs};

/// What a manifest configures.
#[config]
pub struct Config {
    /// Whom to greet.
    #[schemars(length(min = 1))]
    who: String,
}

/// What other steps may refer to.
#[outputs]
pub struct Outputs {
    /// How long the greeting is, in bytes.
    bytes: usize,
}

struct {{NamePascal}};

impl Plugin for {{NamePascal}} {
    type Config = Config;
    type Outputs = Outputs;
    type Receipt = Nothing;

    fn about() -> About {
        About { name: "{{name}}", version: env!("CARGO_PKG_VERSION"), summary: "Writes a greeting to /out/greeting" }
    }

    fn apply(config: Config) -> Result<Outcome<Outputs, Nothing>> {
        log::info(&format!("greeting {}", config.who));
        let text = format!("Hello {}!\n", config.who);
        std::fs::write("/out/greeting/index.txt", &text)?;
        Ok(Outcome::new(format!("greeted {}", config.who), Outputs { bytes: text.len() }))
    }
}

relrun_sdk::export!({{NamePascal}});
