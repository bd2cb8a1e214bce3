//! Looking after topics and groups: seeing them in full, making, emptying and deleting them. What cannot be
//! taken back is planned first: who asks without `execute` is told what would be done.

pub mod groups;
pub mod topics;

use async_trait::async_trait;

use super::OpsError;
use groups::{GroupDetail, GroupRemoval, GroupRemovalRequest};
use topics::{NewTopicRequest, TopicDetail, TopicRemoval, TopicRemovalRequest, TruncateRequest};

/// What can be done to topics and groups themselves.
#[async_trait]
pub trait AdminOps: Send + Sync {
    /// A topic in full.
    async fn describe_topic(&self, topic: &str) -> Result<TopicDetail, OpsError>;

    /// Makes a topic; as it then is.
    async fn create_topic(&self, request: &NewTopicRequest) -> Result<TopicDetail, OpsError>;

    /// Deletes records from a topic's beginning, or says which.
    async fn truncate_topic(&self, request: &TruncateRequest) -> Result<TopicRemoval, OpsError>;

    /// Deletes a topic, or says what would go with it.
    async fn delete_topic(&self, request: &TopicRemovalRequest) -> Result<TopicRemoval, OpsError>;

    /// A group in full.
    async fn describe_group(&self, group: &str) -> Result<GroupDetail, OpsError>;

    /// Forgets a group without members, or says what would be forgotten.
    async fn delete_group(&self, request: &GroupRemovalRequest) -> Result<GroupRemoval, OpsError>;
}
