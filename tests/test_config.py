from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support.openweights import cached_model, model_folder

from orchestrator.config import EndpointConfig, Workspace, find_workspace, user_config_path
from orchestrator.errors import EndpointNotUsable, InvalidConfig, TomlSyntaxError, TomlUnreadable, UnknownEndpoint


def configured(project: Path, text: str) -> Workspace:
    (project / "ftorch.toml").write_text(text)
    return find_workspace()


def endpoint(project: Path, table: str) -> EndpointConfig:
    """The endpoint that this table makes."""
    return configured(project, f"[endpoints.mine]\n{table}\n").endpoint("mine")


def problems(project: Path, text: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        configured(project, text)
    assert caught.value.exit_code == 2
    path = f"{project}/ftorch.toml"
    assert all(problem.startswith(path) for problem in caught.value.problems)
    return [problem.removeprefix(path) for problem in caught.value.problems]


# --- endpoints ---------------------------------------------------------------------------------------------


def test_local_and_openai_are_always_there(home: Path) -> None:
    assert find_workspace().endpoints == {
        "local": EndpointConfig("local", "local", None, None, 2, 0.2, 2.0, 600.0),
        "openai": EndpointConfig("openai", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    }


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("local", EndpointConfig("mine", "local", None, None, 2, 0.2, 2.0, 600.0)),
        (
            "openai",
            EndpointConfig("mine", "openai", "https://api.openai.com/v1", "OPENAI_API_KEY", 3, 5.0, 120.0, 60.0),
        ),
        ("compatible", EndpointConfig("mine", "compatible", None, None, 3, 5.0, 120.0, 60.0)),
        ("azure", EndpointConfig("mine", "azure", None, "AZURE_OPENAI_API_KEY", 3, 5.0, 120.0, 60.0, api="v1")),
        (
            "nebius",
            EndpointConfig(
                *("mine", "nebius", "https://api.tokenfactory.nebius.com/v1", "NEBIUS_API_KEY"),
                hyperparameters="top-level",
                result="served-checkpoint",
            ),
        ),
        ("together", EndpointConfig("mine", "together", "https://api.together.xyz/v1", "TOGETHER_API_KEY")),
    ],
)
def test_every_type_has_its_defaults(home: Path, kind: str, expected: EndpointConfig) -> None:
    assert endpoint(home, f'type = "{kind}"') == expected


def test_every_key_of_an_endpoint_is_read(home: Path) -> None:
    found = endpoint(
        home,
        'type = "compatible"\nbase_url = "https://host/v1"\napi_key_env = "STAGING_KEY"\nmax_active = 4\n'
        "poll_seconds = 10\nsettling_seconds = 0\ntimeout_seconds = 1.5",
    )
    assert found == EndpointConfig("mine", "compatible", "https://host/v1", "STAGING_KEY", 4, 10, 0, 1.5)
    assert found.source == f"{home}/ftorch.toml"


def test_a_table_of_prices_is_meant_from_the_file_that_names_it(home: Path, tmp_path: Path) -> None:
    assert endpoint(home, 'type = "openai"\nprices = "ours/prices.toml"').prices == home / "ours" / "prices.toml"
    assert endpoint(home, f'type = "openai"\nprices = "{tmp_path}/p.toml"').prices == tmp_path / "p.toml"
    assert endpoint(home, 'type = "openai"\nprices = "~/p.toml"').prices == Path.home() / "p.toml"
    [problem] = problems(home, "[endpoints.openai]\nprices = 3\n")
    assert problem.startswith(":2: endpoints.openai.prices must be the path of a TOML file")


@pytest.mark.parametrize(
    ("kind", "key", "problem"),
    [
        ("nebius", "suffix_max = 32", None),
        ("nebius", 'result = "model"', 'must be "served-checkpoint" or "last-checkpoint"'),
        ("compatible", 'result = "served-checkpoint"', 'must be "model" or "last-checkpoint"'),
        ("openai", 'result = "last-checkpoint"', 'is for endpoints of type "compatible", "azure" or "nebius" only'),
        ("compatible", 'serving_models = { "a" = "b" }', 'is for endpoints of type "nebius" only'),
        (
            "nebius",
            "serving_models = 3",
            'must be a table of names of base models, such as { "vendor/as-trained" = "vendor/as-served" }, not 3',
        ),
        (
            "azure",
            'dedicated = { "a" = "b" }',
            'is for endpoints of type "together", "nebius" or "compatible" only',
        ),
        (
            "together",
            'dedicated = "team/drone"',
            "must be a table of the names of your dedicated endpoints by model, such as "
            """{ "team/Qwen3-8B-ft-drone" = "team/drone" }, not 'team/drone'""",
        ),
        ("openai", "suffix_max = 32", 'is for endpoints of other types than "local" and "openai" only'),
    ],
)
def test_a_key_is_refused_where_it_has_no_effect(home: Path, kind: str, key: str, problem: str | None) -> None:
    table = f'[endpoints.x]\ntype = "{kind}"\n{key}\n'
    if problem is None:
        assert configured(home, table).endpoint("x").suffix_max == 32
    else:
        assert problems(home, table) == [f":3: endpoints.x.{key.split()[0]} {problem}"]


TYPES = "must be one of local, openai, compatible, azure, nebius, fireworks, together"
AZURE = '[endpoints.a]\ntype = "azure"\n'


def test_an_azure_endpoint_has_keys_of_its_own(home: Path) -> None:
    found = endpoint(
        home,
        'type = "azure"\nbase_url = "https://res.openai.azure.com"\napi = "2024-10-21"\nauth = "entra"\n'
        'subscription_id = "0f0e0d0c-1111-2222-3333-444455556666"\nresource_group = "my_group.(1)"\n'
        'account = "res"',
    )
    assert (found.api, found.auth, found.api_key_env) == ("2024-10-21", "entra", None)
    assert (found.resource_group, found.account) == ("my_group.(1)", "res")
    assert found.subscription_id == "0f0e0d0c-1111-2222-3333-444455556666"
    assert found.problem is None


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (AZURE + 'api = "v2"', 'api must be "v1" or the date of an api-version, such as "2024-10-21", not \'v2\''),
        (
            AZURE + "api = 2",
            'api must be "v1" or the date of an api-version, such as "2024-10-21", not 2',
        ),
        (AZURE + 'auth = "aad"', 'auth must be "key" or "entra", not \'aad\''),
        (
            AZURE + 'subscription_id = "mine"',
            "subscription_id must be a UUID, such as \"00000000-0000-0000-0000-000000000000\", not 'mine'",
        ),
        (AZURE + 'resource_group = "ends."', "resource_group must be the name of a resource group, not 'ends.'"),
        (
            AZURE + 'account = "a b"',
            "account must be the name of the Azure OpenAI resource, or the id of the account on "
            "Fireworks, not 'a b'",
        ),
    ],
)
def test_a_mistake_in_an_azure_key_is_told(home: Path, table: str, expected: str) -> None:
    assert problems(home, table + "\n") == [f":3: endpoints.a.{expected}"]


def test_keys_of_azure_are_refused_elsewhere(home: Path) -> None:
    [problem] = problems(home, '[endpoints.openai]\napi = "v1"\n')
    assert problem == ':2: endpoints.openai.api is for endpoints of type "azure" only'


def test_a_key_and_entra_at_once_are_a_mistake(home: Path) -> None:
    [problem] = problems(home, AZURE + 'auth = "entra"\napi_key_env = "MY_KEY"\n')
    assert problem == ':4: with auth = "entra" no key is used; remove one of the two'


def test_a_built_in_endpoint_can_be_tuned_without_its_type(home: Path) -> None:
    found = configured(home, "[endpoints.openai]\nmax_active = 9\n").endpoint("openai")
    assert (found.type, found.max_active, found.api_key_env) == ("openai", 9, "OPENAI_API_KEY")


def test_the_project_wins_over_the_user_and_both_add_up(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "home" / ".config" / "ftorch" / "ftorch.toml"
    own.parent.mkdir(parents=True)
    table = '[endpoints.{}]\ntype = "compatible"\nbase_url = "https://{}/v1"\n'
    own.write_text(table.format("both", "user") + table.format("mine", "user"))
    found = configured(home, table.format("both", "project")).endpoints
    assert sorted(found) == ["both", "local", "mine", "openai"]
    assert found["both"].base_url == "https://project/v1"
    assert found["mine"].source == str(own)


def test_the_user_configuration_lies_where_xdg_says(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert user_config_path() == tmp_path / "home" / ".config" / "ftorch" / "ftorch.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert user_config_path() == tmp_path / "xdg" / "ftorch" / "ftorch.toml"


def test_an_unknown_endpoint_is_told_with_the_known_ones(home: Path) -> None:
    with pytest.raises(UnknownEndpoint, match=r'no endpoint named "azur"\. Known: local, openai'):
        find_workspace().endpoint("azur")


# --- mistakes ----------------------------------------------------------------------------------------------

TABLE = '[endpoints.a]\ntype = "local"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", ':1: unknown key "x"; known here: endpoints, models, notify, track'),
        ("[endpoint.a]", ':1: unknown table "endpoint"; did you mean "endpoints"?'),
        ("endpoints = 3", ":1: endpoints must be a table"),
        ("endpoints.a = 3", ":1: endpoints.a must be a table: [endpoints.a]"),
        (
            "[endpoints.a]",
            f":1: endpoints.a.type is missing; {TYPES}",
        ),
        (
            '[endpoints.a]\ntype = "gpt"',
            f":2: endpoints.a.type {TYPES}, not 'gpt'",
        ),
        (
            "[endpoints.a]\ntype = []",
            f":2: endpoints.a.type {TYPES}, not []",
        ),
        (TABLE + "poll_second = 1", ':3: unknown key "poll_second" in [endpoints.a]; did you mean "poll_seconds"?'),
        (
            TABLE + 'base_url = "host/v1"',
            ":3: endpoints.a.base_url must be an address such as \"https://host/v1\", not 'host/v1'",
        ),
        (TABLE + "base_url = 1", ':3: endpoints.a.base_url must be an address such as "https://host/v1", not 1'),
        (TABLE + "max_active = 0", ":3: endpoints.a.max_active must be a whole number of at least 1, not 0"),
        (TABLE + "max_active = 1.0", ":3: endpoints.a.max_active must be a whole number of at least 1, not 1.0"),
        (TABLE + "max_active = true", ":3: endpoints.a.max_active must be a whole number of at least 1, not True"),
        (TABLE + "poll_seconds = 0", ":3: endpoints.a.poll_seconds must be a number above 0, not 0"),
        (TABLE + "poll_seconds = inf", ":3: endpoints.a.poll_seconds must be a number above 0, not inf"),
        (TABLE + "poll_seconds = nan", ":3: endpoints.a.poll_seconds must be a number above 0, not nan"),
        (
            TABLE + "settling_seconds = -1",
            ":3: endpoints.a.settling_seconds must be a number of at least 0, not -1",
        ),
        (TABLE + 'timeout_seconds = "1"', ":3: endpoints.a.timeout_seconds must be a number above 0, not '1'"),
        (
            TABLE.replace(".a", f".{'x' * 65}"),
            ":1: an endpoint's name has 1 to 64 characters",
        ),
    ],
)
def test_a_mistake_is_told_with_line_key_finding_and_what_is_allowed(home: Path, text: str, expected: str) -> None:
    assert problems(home, text + "\n") == [expected]


def test_all_mistakes_are_told_at_once(home: Path) -> None:
    found = problems(home, TABLE + "max_active = 0\n[endpoints.b]\npoll = 1\n")
    assert [problem.split(": ")[0] for problem in found] == [":3", ":4", ":5"]


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefgh0123",
        "gsk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYz",
        "c0ffee00c0ffee00c0ffee00c0ffee00",
        "Bearer xyz",
    ],
)
def test_a_key_pasted_where_the_name_of_its_variable_belongs_is_never_shown(home: Path, key: str) -> None:
    [problem] = problems(home, f'{TABLE}api_key_env = "{key}"\n')
    expected = "must be the name of an environment variable, in capitals, never the key itself"
    assert problem == f":3: endpoints.a.api_key_env {expected}"


def test_a_broken_configuration_is_told_with_its_line(home: Path) -> None:
    with pytest.raises(TomlSyntaxError, match=r"ftorch\.toml:2: this is not valid TOML"):
        configured(home, "[endpoints.a]\ntype = \n")
    (home / "ftorch.toml").unlink()
    (home / "ftorch.toml").mkdir()
    with pytest.raises(TomlUnreadable, match=r"ftorch\.toml can't be read: Is a directory"):
        find_workspace()


# --- is it usable? -----------------------------------------------------------------------------------------


def test_an_endpoint_without_a_key_is_usable_as_it_is(home: Path) -> None:
    assert find_workspace().endpoint("local").problem is None
    assert endpoint(home, 'type = "compatible"\nbase_url = "https://host"').problem is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('type = "openai"', "the environment variable OPENAI_API_KEY is not set; export OPENAI_API_KEY=… first"),
        (
            'type = "compatible"\nbase_url = "https://host"\napi_key_env = "MY_KEY"',
            "the environment variable MY_KEY is not set; export MY_KEY=… first",
        ),
        (
            'type = "compatible"',
            'it has no base_url; set one in {}/ftorch.toml, such as base_url = "https://host/v1"',
        ),
        (
            'type = "azure"',
            'it has no base_url; set one in {}/ftorch.toml, such as base_url = "https://RESOURCE.openai.azure.com"',
        ),
        (
            'type = "azure"\nbase_url = "https://res.services.ai.azure.com/api/projects/"',
            "https://res.services.ai.azure.com/api/projects/ is no address of a project; write "
            "https://RESOURCE.services.ai.azure.com/api/projects/PROJECT in {}/ftorch.toml",
        ),
        (
            'type = "azure"\nbase_url = "https://res.services.ai.azure.com/api/projects/p"\napi = "2024-10-21"',
            "https://res.services.ai.azure.com/api/projects/p is the address of a project, which has only "
            'api = "v1"; set that in {}/ftorch.toml, or give the resource\'s address, https://RESOURCE.openai.azure.com',
        ),
        (
            'type = "azure"\nbase_url = "https://res.openai.azure.com/openai?api-version=2024-10-21"',
            "its base_url in {}/ftorch.toml has a query (?…); remove it, and name the API's version with "
            'api = "v1" or its date',
        ),
        (
            'type = "azure"\nbase_url = "https://res.openai.azure.com"',
            "the environment variable AZURE_OPENAI_API_KEY is not set; export AZURE_OPENAI_API_KEY=… first",
        ),
    ],
)
def test_an_unusable_endpoint_says_why_and_what_to_do(home: Path, table: str, problem: str) -> None:
    found = endpoint(home, table)
    assert found.problem == problem.format(home)
    with pytest.raises(EndpointNotUsable) as caught:
        found.require_usable()
    assert str(caught.value) == f"The endpoint mine can't be used: {problem.format(home)}."
    assert caught.value.exit_code == 2


def test_an_empty_variable_is_told_from_one_that_is_not_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "")
    found = endpoint(home, 'type = "compatible"\nbase_url = "https://host"\napi_key_env = "MY_KEY"')
    assert found.problem == "the environment variable MY_KEY is empty; export MY_KEY=… first"


def test_a_set_key_makes_an_endpoint_usable_and_stays_out_of_sight(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    assert find_workspace().endpoint("openai").problem is not None
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    found = find_workspace().endpoint("openai")
    found.require_usable()
    assert "sk-secret" not in repr(found)


# --- where things lie --------------------------------------------------------------------------------------


@pytest.mark.parametrize("marker", ["ftorch.toml", ".ftorch/", ".git/"])
def test_the_root_is_the_nearest_folder_upwards_with_a_marker(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    deep = home / "jobs" / "more"
    deep.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    (home / marker).mkdir() if marker.endswith("/") else (home / marker).touch()
    monkeypatch.chdir(deep)
    found = find_workspace()
    assert (found.root, found.home) == (home, home / ".ftorch")
    assert found.database_url == f"sqlite:///{home}/.ftorch/ftorch.db"


def test_the_root_is_looked_for_from_the_job_files_folder(home: Path, tmp_path: Path) -> None:
    (home / ".git").mkdir()
    other = tmp_path / "other"
    (other / "jobs").mkdir(parents=True)
    (other / "ftorch.toml").touch()
    assert find_workspace(other / "jobs").root == other
    assert find_workspace(Path("../other/jobs")).root == other
    assert find_workspace(other / "jobs" / "greet.toml").root == other
    assert find_workspace().root == home


def test_without_a_marker_the_current_folder_is_the_root(home: Path, tmp_path: Path) -> None:
    assert find_workspace().root == home
    assert find_workspace(tmp_path / "home").root == home


def test_the_state_lies_where_ftorch_home_says(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTORCH_HOME", "~/state")
    found = find_workspace()
    assert (found.root, found.home) == (home, tmp_path / "home" / "state")
    assert found.database_url == f"sqlite:///{tmp_path}/home/state/ftorch.db"
    monkeypatch.setenv("FTORCH_HOME", "state")
    assert find_workspace().home == home / "state"
    monkeypatch.setenv("FTORCH_HOME", "")
    assert find_workspace().home == home / ".ftorch"


def test_the_database_is_the_one_that_ftorch_database_url_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTORCH_DATABASE_URL", "postgresql+psycopg://me@host/runs")
    found = find_workspace()
    assert found.database_url == "postgresql+psycopg://me@host/runs"
    assert found.home == home / ".ftorch"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://host//v1/", "has // in its path"),
        ("https://host//v1", "has // in its path"),
        ("https://host/v1/fine_tuning/jobs", "write https://host/v1"),
        ("https://host/v1/chat/completions", "write https://host/v1"),
    ],
)
def test_an_address_that_can_not_be_right_is_named(home: Path, address: str, said: str) -> None:
    found = endpoint(home, f'type = "compatible"\nbase_url = "{address}"')
    assert said in str(found.problem)


def test_an_address_with_another_path_is_used(home: Path) -> None:
    assert endpoint(home, 'type = "compatible"\nbase_url = "https://host/models-api/v1/"').problem is None


# --- open-weights models -----------------------------------------------------------------------------------


def test_models_have_names_and_are_looked_at_only_when_needed(home: Path, tmp_path: Path) -> None:
    found = configured(home, '[models]\nsmol = "models/smol"\n"org/gone-1.5" = "/none"\n')
    assert list(found.models) == ["smol", "org/gone-1.5"]
    assert found.endpoint("local").models == found.models
    assert found.endpoint("openai").models == {}
    folder = model_folder(home / "models" / "smol")
    assert (found.models["smol"].folder, found.models["smol"].problem) == (folder, None)
    place = f"org/gone-1.5 under [models] in {home}/ftorch.toml"
    expected = f"/none can't be used as a model: it does not exist ({place}). Give a folder"
    assert str(found.models["org/gone-1.5"].problem).startswith(expected)


def test_a_model_may_be_one_of_the_users_hugging_face_cache(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    found = configured(home, '[models]\nsmol = "org/smol"\n').models["smol"]
    assert "hf download org/smol" in str(found.problem)
    folder = cached_model(tmp_path / "cache", "org/smol")
    assert found.folder == folder


def test_the_projects_models_win_over_the_users_by_name(home: Path, tmp_path: Path) -> None:
    own = tmp_path / "home" / ".config" / "ftorch" / "ftorch.toml"
    own.parent.mkdir(parents=True)
    own.write_text('[models]\nboth = "a"\nmine = "b"\n')
    found = configured(home, '[models]\nboth = "c"\n').models
    assert {name: each.written for name, each in found.items()} == {"both": "c", "mine": "b"}
    assert (found["mine"].file, found["both"].file) == (own, home / "ftorch.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models = 3", ":1: models must be a table: [models]"),
        ("[model]\nx = 1", ':1: unknown table "model"; did you mean "models"?'),
        ("[models]\nx = 1", ":2: models.x must be a folder or a Hugging Face id in quotes, not 1"),
        ('[models]\nx = ""', ":2: models.x must be a folder or a Hugging Face id in quotes, not ''"),
        ('[models]\ngpt-4.1-mini = "m"', ':2: put the name into quotes, as it has a dot: "gpt-4.1-mini" = "m"'),
        ("[models.x]\na = 1\nb = 2", ":1: models.x must be a folder or a Hugging Face id in quotes, not a table"),
        (
            '[models]\n"ft:x" = "m"',
            ":2: models.ft:x: a model's name has 1 to 96 letters, digits and . _ - /, and begins with a letter or "
            "digit",
        ),
    ],
)
def test_a_mistake_in_the_models_is_told(home: Path, text: str, expected: str) -> None:
    assert problems(home, text + "\n") == [expected]


def test_how_open_weights_are_trained_and_served_is_read(home: Path) -> None:
    python = home / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    found = endpoint(
        home,
        'type = "local"\npython = ".venv/bin/python"\nserving = "vllm"\nvllm_url = "http://127.0.0.1:8000"\n'
        "constrained = false",
    )
    assert (found.python, found.serving, found.vllm_url) == (python, "vllm", "http://127.0.0.1:8000")
    assert (found.constrained, found.problem) == (False, None)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('python = "python3"', 'python must be the path of a Python program, such as ".venv-lora/bin/python", not'),
        ('serving = "tgi"', 'serving must be "transformers" or "vllm", not \'tgi\''),
        ('vllm_url = "localhost:8000"', 'vllm_url must be an address such as "http://127.0.0.1:8000", not'),
        ('constrained = "no"', "constrained must be true or false, not 'no'"),
        ('pyton = "x/y"', 'unknown key "pyton" in [endpoints.local]; did you mean "python"?'),
    ],
)
def test_a_mistake_in_a_key_for_open_weights_is_told(home: Path, table: str, problem: str) -> None:
    [found] = problems(home, f"[endpoints.local]\n{table}\n")
    assert problem in found


RAY = '[endpoints.local]\nlauncher = "ray"\n[endpoints.local.ray]\n'


def test_the_cluster_that_trains_open_weights_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = 'address = "http://127.0.0.1:8265"\nstorage = "/"\ntoken_env = "RAY_TOKEN"\ngpus = 2\n'
    found = configured(home, f"{RAY}{table}runtime_env = {{ pip = ['x'] }}\n").endpoint("local")
    assert (found.launcher, found.ray["gpus"], found.ray["runtime_env"]) == ("ray", 2, {"pip": ["x"]})
    assert found.problem == "the environment variable RAY_TOKEN is not set; export RAY_TOKEN=… first"
    monkeypatch.setenv("RAY_TOKEN", "a")
    assert found.problem is None


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('address = "ray:8265"\nstorage = "/s"', 'address must be the address of the Ray dashboard, such as "http'),
        ('address = "http://u:secret@h"\nstorage = "/s"', ".address must be the address of the Ray dashboard"),
        ('address = "http://h"\nstorage = "s"', "must be a folder that all machines share, from its root"),
        ('address = "http://h"', "endpoints.local.ray.storage is missing; it must be a folder that all"),
        ('address = "http://h"\nstorage = "/s"\ntoken_env = "ab12cd"', "in capitals, never the token itself"),
        ('address = "http://h"\nstorage = "/s"\ngpus = -1', "gpus must be a number of at least 0, not -1"),
        (
            'address = "http://h"\nstorage = "/s"\ngpu = 1',
            'unknown key "gpu" in [endpoints.local.ray]; did you mean',
        ),
        ('address = "http://h"\nstorage = "/s"\nruntime_env = 3', "must be a table of JSON values"),
    ],
)
def test_a_mistake_in_the_table_of_the_cluster_is_told(home: Path, table: str, problem: str) -> None:
    [found] = problems(home, f"{RAY}{table}\n")
    assert problem in found
    assert "secret" not in found
    assert "ab12cd" not in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[endpoints.local]\nlauncher = "ray"\n', r'launcher = "ray" needs the table \[endpoints.local.ray\]'),
        (
            f'{RAY}address = "http://127.0.0.1:1"\nstorage = "/no/such"\n',
            "its storage /no/such is no folder on this",
        ),
        (f'{RAY}address = "http://ray:8265"\nstorage = "/s"\n', "would travel to http://ray:8265 unencrypted"),
    ],
)
def test_what_keeps_local_from_a_cluster_is_told(home: Path, text: str, said: str) -> None:
    assert re.search(said, configured(home, text).endpoint("local").problem or "")


@pytest.mark.parametrize(
    "key",
    ['launcher = "ray"', 'python = "./p"', 'serving = "vllm"', 'vllm_url = "http://h/v1"', "constrained = true"],
)
def test_keys_for_open_weights_are_refused_elsewhere(home: Path, key: str) -> None:
    [problem] = problems(home, f"[endpoints.openai]\n{key}\n")
    assert problem == f':2: endpoints.openai.{key.split()[0]} is for endpoints of type "local" only'


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('python = "./none"', r"its python .*/none does not exist; correct it in .*/ftorch\.toml"),
        ('python = "./venv"', r'its python .*/venv is no program; write python = ".*/venv/bin/python"'),
        ('python = "./ftorch.toml"', r"its python .*/ftorch\.toml is no program; correct it in"),
        ('vllm_url = "http://127.0.0.1:8000"', 'vllm_url has no effect without serving = "vllm"; set both in'),
        (
            'serving = "vllm"\nvllm_url = "http://gpu:8000"',
            "the requests would travel to http://gpu:8000 unencrypted",
        ),
    ],
)
def test_what_keeps_local_from_open_weights_is_told(home: Path, table: str, said: str) -> None:
    (home / "venv" / "bin").mkdir(parents=True)
    (home / "venv" / "bin" / "python").touch()
    found = configured(home, f"[endpoints.local]\n{table}\n").endpoint("local")
    assert re.search(said, found.problem or "")
