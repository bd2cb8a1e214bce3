//! What Kafka's errors mean to the shop.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::patience::code_of;
use crate::ports::bus::{BusError, RECORD_BYTES_MAX};

/// The error of a question or command about `what`.
pub(super) fn bus_error(e: &KafkaError, what: &str) -> BusError {
    match code_of(e) {
        Some(code) => of_code(code, what),
        None => BusError::Broken(format!("{what}: {e}")),
    }
}

/// The error that `code` is.
pub(super) fn of_code(code: Code, what: &str) -> BusError {
    match code {
        Code::UnknownTopic
        | Code::UnknownPartition
        | Code::UnknownTopicOrPartition
        | Code::OffsetOutOfRange => BusError::Unknown(what.to_owned()),
        Code::MessageSizeTooLarge | Code::InvalidMessageSize => {
            BusError::TooLarge { size: RECORD_BYTES_MAX + 1, max: RECORD_BYTES_MAX }
        }
        Code::FencedInstanceId => BusError::Fenced(format!(
            "{what} (another process has the same serve.instance: give each a name of its own)"
        )),
        Code::IllegalGeneration | Code::UnknownMemberId | Code::Fenced | Code::AssignmentLost => {
            BusError::Fenced(what.to_owned())
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => {
            // Somebody may give it while we run.
            BusError::Unavailable(format!("{what}: {code}; the Kafka user needs that right"))
        }
        Code::InvalidSessionTimeout => BusError::Broken(format!(
            "{what}: {code}; set kafka.session_timeout to what the brokers take, by default 6s to 30m"
        )),
        Code::InvalidArgument
        | Code::InvalidConfig
        | Code::InvalidReplicationFactor
        | Code::InvalidPartitions
        | Code::PolicyViolation
        | Code::InvalidTopic
        | Code::UnsupportedVersion
        | Code::InconsistentGroupProtocol
        | Code::Fatal => BusError::Broken(format!("{what}: {code}")),
        _ => BusError::Unavailable(format!("{what}: {code}")),
    }
}
