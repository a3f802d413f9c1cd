"""azure-identity and azure-mgmt-cognitiveservices against the simulated resource, over real HTTP."""

from __future__ import annotations

import datetime
import ipaddress

import openai
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError
from azure.identity import (
    ClientSecretCredential,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    get_bearer_token_provider,
)
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient, models as arm
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
DATA = "https://cognitiveservices.azure.com/.default"
PROJECT = "https://ai.azure.com/.default"
MANAGEMENT = "https://management.azure.com/.default"


@pytest.fixture(autouse=True)
def no_other_identity(monkeypatch, tmp_path):
    """Whatever this machine is signed in to does not count."""
    for name in (
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_SECRET",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))


@pytest.fixture
def signed_in(resource, serve, monkeypatch):
    """A resource that lets in who signed in, and the address it is served at."""
    with serve(resource(key="right", signed_in_only=True, token_seconds=200)) as address:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{address}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "right")
        yield address


@pytest.mark.parametrize("credential", [ManagedIdentityCredential, DefaultAzureCredential])
def test_a_managed_identity_signs_in_to_both_dialects(signed_in, credential):
    with credential() as identity:
        token = get_bearer_token_provider(identity, DATA)
        old = openai.AzureOpenAI(azure_endpoint=signed_in, api_version="2024-10-21", azure_ad_token_provider=token)
        new = openai.OpenAI(base_url=f"{signed_in}/openai/v1/", api_key=token)
        with old, new:
            assert old.fine_tuning.jobs.list().data == new.fine_tuning.jobs.list().data == []


def test_a_token_that_runs_out_is_asked_for_anew(signed_in, clock):
    with ManagedIdentityCredential() as identity:
        token = get_bearer_token_provider(identity, DATA)
        with openai.OpenAI(base_url=f"{signed_in}/openai/v1/", api_key=token, max_retries=0) as client:
            client.fine_tuning.jobs.list()
            clock.pass_(150)
            client.fine_tuning.jobs.list()
            clock.pass_(150)
            assert client.fine_tuning.jobs.list().data == []


def test_a_wrong_secret_gets_no_token(signed_in, monkeypatch):
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with ManagedIdentityCredential() as identity, pytest.raises(ClientAuthenticationError, match="not the key"):
        identity.get_token(DATA)


def test_an_identity_without_the_role_is_told_so(signed_in):
    with ManagedIdentityCredential(client_id="no-role") as identity:
        token = get_bearer_token_provider(identity, DATA)
        with (
            openai.OpenAI(base_url=f"{signed_in}/openai/v1/", api_key=token, max_retries=0) as client,
            pytest.raises(openai.PermissionDeniedError, match="lacks the required data action"),
        ):
            client.fine_tuning.jobs.list()


def test_a_machines_identity_signs_in_where_there_is_no_key(resource, serve, monkeypatch):
    with serve(resource(signed_in_only=True)) as address:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", address)
        with ManagedIdentityCredential() as identity:
            assert identity.get_token(DATA).token.count(".") == 2


def test_a_service_principal_signs_in_over_https(resource, serve, tmp_path, monkeypatch):
    certificate, key = _certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    with serve(resource(key="right"), ssl_certfile=certificate, ssl_keyfile=key) as address:
        options = {"authority": address, "disable_instance_discovery": True}
        with ClientSecretCredential("a-tenant", "openai-user", "right", **options) as identity:
            assert identity.get_token(DATA).token.count(".") == 2


@pytest.mark.parametrize(
    ("wrong", "status"),
    [({"client_secret": "wrong"}, 401), ({"grant_type": "password"}, 400), ({"scope": "https://x"}, 400)],
)
async def test_the_token_endpoint_refuses_in_the_words_of_oauth(resource, to, wrong, status):
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "right", "scope": DATA, **wrong}
    answer = await to(resource(key="right")).post("/a-tenant/oauth2/v2.0/token", data=form)
    assert answer.status_code == status
    assert {"error", "error_description"} <= set(answer.json())


async def test_a_resource_with_a_key_does_not_trust_a_machines_identity(resource, to):
    place = f"/metadata/identity/oauth2/token?resource={DATA}"
    answer = await to(resource(key="right")).get(place, headers={"metadata": "true"})
    assert (answer.status_code, answer.json()["error"]) == (403, "invalid_client")


@pytest.fixture
def management(signed_in):
    """The management library, talking to the resource."""
    with (
        ManagedIdentityCredential() as identity,
        CognitiveServicesManagementClient(
            identity, SUBSCRIPTION, base_url=signed_in, credential_scopes=[MANAGEMENT], polling_interval=0.05
        ) as client,
    ):
        yield client


def deployment(name="gpt-4.1-mini", capacity=50):
    model = arm.DeploymentModel(format="OpenAI", name=name, version="2025-04-14")
    sku = arm.Sku(name="Standard", capacity=capacity)
    return arm.Deployment(sku=sku, properties=arm.DeploymentProperties(model=model))


PLACE = {"resource_group_name": "ftorch", "account_name": "ftorch", "enforce_https": False}


def test_the_management_library_makes_lists_and_deletes_a_deployment(management, clock):
    wanted = {"deployment_name": "base", "deployment": deployment(), **PLACE}
    making = management.deployments.begin_create_or_update(**wanted)
    assert not making.done()
    clock.pass_(10)
    made = making.result()
    assert (made.properties.provisioning_state, made.sku.capacity) == ("Succeeded", 50)
    assert made.system_data.created_at.tzinfo is not None
    assert [each.name for each in management.deployments.list(**PLACE)] == ["base"]
    gone = management.deployments.begin_delete(deployment_name="base", **PLACE)
    with pytest.raises(ResourceExistsError, match="being deleted"):
        management.deployments.begin_create_or_update(**wanted)
    clock.pass_(30)
    gone.result()
    assert list(management.deployments.list(**PLACE)) == []


def test_the_management_library_reads_account_quota_models_and_refusals(management):
    account = management.accounts.get(**PLACE)
    assert (account.location, account.properties.disable_local_auth) == ("swedencentral", True)
    usages = list(management.usages.list(location=account.location, enforce_https=False))
    assert {usage.limit for usage in usages} == {250}
    models = list(management.models.list(location=account.location, enforce_https=False))
    assert "gpt-4.1-mini" in {each.model.name for each in models}
    wanted = deployment("gpt-4.1-mini.ft-0-nothing")
    with pytest.raises(HttpResponseError) as refused:
        management.deployments.begin_create_or_update(deployment_name="x", deployment=wanted, **PLACE)
    assert refused.value.error.code == "DeploymentModelNotSupported"


def _certificate(folder):
    """A certificate for this machine that nobody signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return str(folder / "certificate.pem"), str(folder / "key.pem")


def test_a_project_takes_only_tokens_for_projects(signed_in):
    address = f"{signed_in}/api/projects/ftorch/openai/v1/"
    with DefaultAzureCredential() as identity:
        right, wrong = (
            openai.OpenAI(base_url=address, api_key=get_bearer_token_provider(identity, scope))
            for scope in (PROJECT, DATA)
        )
        assert right.fine_tuning.jobs.list().data == []
        with pytest.raises(openai.AuthenticationError, match=r"audience is incorrect \(https://ai\.azure\.com"):
            wrong.fine_tuning.jobs.list()
