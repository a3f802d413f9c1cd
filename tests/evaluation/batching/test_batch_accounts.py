"""Another account's key: what it can't see says nothing about the batches here, and nothing is paid for twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from support.batching import Place, answering, dropped, place_with_batches

from orchestrator.engine.accounts import mark_for
from orchestrator.errors import BatchOnHold, RequestRefused
from orchestrator.evaluation.batching.driving import require_known
from orchestrator.evaluation.batching.submission import record_batches
from orchestrator.evaluation.plan import Plan
from orchestrator.ledger import Ledger

MakePlan = Callable[..., Plan]
UseKey = Callable[[Place], None]
EMPTY = answering(200, {"object": "list", "data": [], "has_more": False})
CREATE, LIST = "POST /batches", "GET /batches"
VARIABLE = "THE_KEY"


@pytest.fixture
async def ours(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Place]:
    """The endpoint as one account has it."""
    async with place_with_batches(ledger, tmp_path / "ours", VARIABLE) as found:
        yield found


@pytest.fixture
async def theirs(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Place]:
    """The same endpoint as another account has it."""
    async with place_with_batches(ledger, tmp_path / "theirs", VARIABLE) as found:
        yield found


@pytest.fixture
def use_key(ours: Place, monkeypatch: pytest.MonkeyPatch) -> UseKey:
    """Sets the key of an account."""

    def use(place: Place) -> None:
        monkeypatch.setenv(VARIABLE, "key-of-ours-0123456789" if place is ours else "key-of-theirs-987654321")

    return use


async def lose_an_answer(place: Place, plan: Plan) -> list[str]:
    """Batches whose process died between the create and its answer."""
    ids = record_batches(place.ledger, plan)
    assert await place.die_at("after-batch-create", ids)
    return ids


async def test_a_batch_is_not_paid_for_again_in_another_account(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(theirs)
    await theirs.drive(record_batches(theirs.ledger, make_plan("gpt-a")))
    use_key(ours)
    ids = await lose_an_answer(ours, make_plan())
    use_key(theirs)
    await theirs.drive(ids)
    await theirs.drive(record_batches(theirs.ledger, make_plan()))  # what the next `evaluate` would ask
    assert (len(ours.batches("gpt-x")), len(theirs.batches("gpt-x"))) == (1, 0)
    [batch] = theirs.recorded()
    assert batch.state == "creating"


async def test_a_batch_is_not_paid_for_again_where_accounts_share_files(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(ours)
    ids = await lose_an_answer(ours, make_plan())
    use_key(theirs)
    ours.wire.faults[LIST] = [EMPTY] * 200
    await ours.drive(ids)
    assert ours.wire.counts[CREATE] == 1


async def test_a_batch_of_another_account_waits_for_its_key(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(ours)
    ids = await lose_an_answer(ours, make_plan())
    use_key(theirs)
    await theirs.drive(ids)
    [held] = theirs.recorded()
    assert held.reason == (
        "on hold: it belongs to another account of localhost than the current key; set the key of that account, or "
        "confirm that it is the same: ftorch resume --same-account"
    )
    with pytest.raises(BatchOnHold, match=f"Batch {held.id} is on hold: it belongs to another account"):
        require_known([held])
    assert theirs.wire.counts.total() == 0
    use_key(ours)
    await ours.drive(ids)
    assert ours.recorded()[0].reason == "5 of 5 answered"
    assert ours.wire.counts[CREATE] == 1


async def test_a_batch_that_the_endpoint_has_is_left_alone_too(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(ours)
    ids = record_batches(ours.ledger, make_plan())
    assert await ours.die_at("before-batch-poll", ids)
    use_key(theirs)
    await theirs.drive(ids)
    assert theirs.recorded()[0].state == "waiting"
    use_key(ours)
    await ours.drive(ids)
    assert ours.recorded()[0].reason == "5 of 5 answered"


async def test_batches_that_were_not_sent_go_to_the_account_of_the_current_key(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    """Their file was uploaded to the other account, and is sent again, which costs nothing."""
    use_key(ours)
    ids = record_batches(ours.ledger, make_plan())
    assert await ours.die_at("after-commit-upload", ids)
    use_key(theirs)
    await theirs.drive(ids)
    assert theirs.recorded()[0].reason == "5 of 5 answered"
    assert (ours.wire.counts[CREATE], theirs.wire.counts[CREATE]) == (0, 1)


async def test_a_new_key_that_sees_one_batch_is_accepted_for_all_of_its_account(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(ours)
    await ours.drive(record_batches(ours.ledger, make_plan("gpt-a")))
    ids = await lose_an_answer(ours, make_plan())
    use_key(theirs)  # by its text; it opens the same account
    await ours.drive(ids)
    [batch] = ours.recorded()
    assert batch.reason == "5 of 5 answered"
    assert ours.wire.counts[CREATE] == 2
    assert {each.account for each in (batch, *ours.recorded("gpt-a"))} == {mark_for(ours.scene())}


async def test_runs_and_batches_of_an_account_have_the_same_mark(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan
) -> None:
    use_key(ours)
    await ours.drive(record_batches(ours.ledger, make_plan()))
    [batch] = ours.recorded()
    assert batch.account == mark_for(ours.scene().uploader)
    use_key(theirs)
    assert batch.account != mark_for(theirs.scene().uploader)


async def test_a_users_word_that_is_wrong_does_not_pay_again(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(theirs)
    await theirs.drive(record_batches(theirs.ledger, make_plan("gpt-a")))
    use_key(ours)
    ids = await lose_an_answer(ours, make_plan())
    use_key(theirs)
    theirs.ledger.forget_account([], theirs.ledger.batches())
    await theirs.drive(ids)
    [batch] = theirs.recorded()
    assert batch.state == "unknown"
    assert "is this another account's key?" in batch.reason
    assert theirs.batches("gpt-x") == []
    use_key(ours)
    await ours.drive(ids)
    assert ours.recorded()[0].reason == "5 of 5 answered"


async def test_batches_of_an_older_ftorch_prove_nothing_of_an_account(
    ours: Place, theirs: Place, use_key: UseKey, make_plan: MakePlan, leases_fall: None
) -> None:
    use_key(theirs)
    await theirs.drive(record_batches(theirs.ledger, make_plan("gpt-a")))
    use_key(ours)
    ids = await lose_an_answer(ours, make_plan())
    ours.ledger.forget_account([], [*ours.recorded(), *ours.recorded("gpt-a")])
    use_key(theirs)
    await theirs.drive(ids)
    assert theirs.recorded()[0].state == "unknown"
    assert theirs.wire.counts[CREATE] == 1


async def test_an_earlier_batch_of_the_account_tells_whose_list_it_is(
    ours: Place, use_key: UseKey, make_plan: MakePlan
) -> None:
    use_key(ours)
    await ours.drive(record_batches(ours.ledger, make_plan("gpt-a")))

    async def no_such_route(file_id: str) -> Any:
        raise RequestRefused(endpoint="local", status=404, code=None, param=None, message="no", problem="no")

    ours.endpoint.file = no_such_route  # type: ignore[method-assign]
    ours.wire.faults[CREATE] = [dropped]
    await ours.drive(record_batches(ours.ledger, make_plan()))
    assert ours.recorded()[0].reason == "5 of 5 answered"
