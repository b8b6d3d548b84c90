//! Reporters: one event stream, four ways to show it.

mod event;

pub use event::{
    EnvironmentLine, FailedStep, LineLevel, OperationName, Place, ReportEvent, RunFinished, RunVerdict, Source, StepInfo, StepResult,
};
