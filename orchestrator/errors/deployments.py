"""Deployments."""

from __future__ import annotations

from orchestrator.errors.base import FtorchError, UsageError
from orchestrator.errors.endpoints import EndpointError, RequestRefused, SignInFailed


class DeploymentRefused(RequestRefused):
    """The account of {endpoint} refused the deployment: {problem}"""


class DeploySignInFailed(SignInFailed):
    """Deployments of {endpoint} are managed with Entra ID, where the resource's key does not help, and no way to
    sign in works. Tried: {problem}. Run: az login, or set what one of these ways asks for, then run the same
    again."""


class DeployRoleMissing(EndpointError):
    """This identity may not change deployments on the account of {endpoint}: {problem}. A key of the resource does
    not help here. Let somebody assign it the role "Cognitive Services Contributor" (or Owner) on the resource,
    which may take minutes to hold, then run the same again."""


class DeployQuotaFull(EndpointError):
    """The quota of {endpoint} does not allow this deployment: {problem}. In use: {use}. Ask for less with
    --capacity, remove a deployment (ftorch deployments), or request more quota in the portal."""


class NoSuchDeployment(UsageError):
    """There is no deployment "{key}". See: ftorch deployments"""


class AmbiguousDeployment(UsageError):
    """There are deployments of "{key}" on several endpoints: {endpoints}. Say which: --endpoint NAME"""


class DeploymentsNotConfigured(UsageError):
    """Deployments on {endpoint} need to know its resource: {missing} not set. Complete [endpoints.{endpoint}] in
    {source}, as the portal shows it on the resource's page: subscription_id, resource_group, and account, which
    is the resource's own name."""


class NeedsNoDeployment(UsageError):
    """Models on {endpoint} ({type}) answer without a deployment: ask this one by its name, {model}."""


class DeploymentNotPossible(UsageError):
    """{what} can't be deployed: {problem}."""


class DeploymentDiffers(UsageError):
    """{name} is there already: {found}, and not {wished}. Nothing was changed. Remove it first (ftorch undeploy
    {name}), or give another --name."""


class DeploymentInUse(UsageError):
    """{name} is answering an evaluation right now, so it stays until that is over. Then ftorch resume removes it,
    or again: ftorch undeploy {name}"""


class LostDeployment(FtorchError):
    """Another process took over the deployment {name}; this one wrote nothing more to it."""


class DeploymentFailed(FtorchError):
    """The deployment {name} failed: {problem}"""


class DeploymentNotReady(FtorchError):
    """The deployment {name} does not answer yet: {problem}. It stays, and is charged from now on. Look again:
    ftorch resume. Remove it: ftorch undeploy {name}"""


class AzureMissing(FtorchError):
    """Deployments need Azure's management library, which is not installed. Run: pip install 'ftorch[azure]'"""
