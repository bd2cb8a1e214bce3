//! Looking after topics and groups.

use async_trait::async_trait;

use super::{Ground, LocalOps};
use crate::ops::OpsError;
use crate::ops::admin::AdminOps;
use crate::ops::admin::groups::{self, GroupDetail, GroupRemoval, GroupRemovalRequest};
use crate::ops::admin::topics::{
    self, NewTopicRequest, TopicDetail, TopicRemoval, TopicRemovalRequest, TruncateRequest,
};
use crate::ops::dlq::is_for_dead_letters;

#[async_trait]
impl AdminOps for LocalOps {
    async fn describe_topic(&self, topic: &str) -> Result<TopicDetail, OpsError> {
        topics::describe(self.shared.ground.admin.as_ref(), topic).await
    }

    async fn create_topic(&self, request: &NewTopicRequest) -> Result<TopicDetail, OpsError> {
        let Ground { admin, store, .. } = &self.shared.ground;
        topics::create(admin.as_ref(), request).await?;
        store.durable().await?;
        topics::describe(admin.as_ref(), &request.name).await
    }

    async fn truncate_topic(&self, request: &TruncateRequest) -> Result<TopicRemoval, OpsError> {
        let Ground { bus, admin, clock, .. } = &self.shared.ground;
        let mut plan = topics::plan_truncate(bus.as_ref(), request, clock.now()).await?;
        if request.execute {
            topics::truncate(admin.as_ref(), &mut plan).await?;
            self.gone(&request.topic).await?;
        }
        Ok(plan)
    }

    async fn delete_topic(&self, request: &TopicRemovalRequest) -> Result<TopicRemoval, OpsError> {
        let Ground { bus, admin, inbox, .. } = &self.shared.ground;
        let mut plan = topics::plan_delete(bus.as_ref(), request, *inbox).await?;
        if request.execute {
            topics::delete(admin.as_ref(), &mut plan).await?;
            if is_for_dead_letters(&request.topic) {
                self.shared.ledger().forget_topic(&request.topic).await?;
            }
            self.gone(&request.topic).await?;
        }
        Ok(plan)
    }

    async fn describe_group(&self, group: &str) -> Result<GroupDetail, OpsError> {
        let Ground { bus, admin, clock, .. } = &self.shared.ground;
        groups::describe(bus.as_ref(), admin.as_ref(), group, clock.now()).await
    }

    async fn delete_group(&self, request: &GroupRemovalRequest) -> Result<GroupRemoval, OpsError> {
        let Ground { bus, admin, store, .. } = &self.shared.ground;
        let mut plan = groups::plan_delete(bus.as_ref(), admin.as_ref(), &request.group).await?;
        if request.execute {
            groups::delete(admin.as_ref(), &mut plan).await?;
            store.durable().await?;
        }
        Ok(plan)
    }
}

impl LocalOps {
    /// Forgets what is known of records that were deleted.
    async fn gone(&self, topic: &str) -> Result<(), OpsError> {
        self.shared.tails.forget(topic);
        if is_for_dead_letters(topic) {
            self.shared.look().await?;
        }
        Ok(self.shared.ground.store.durable().await?)
    }
}
