"""The objects of the dated versions have the fields, and the types, that Microsoft's description of
2025-04-01-preview gives them, and no others but `trainingType`, which recorded answers add.

The tables are this project's own words for that description (Azure/azure-rest-api-specs, data plane, authoring).
"""

from __future__ import annotations

import pytest

WHOLE, NUMBER, TEXT = (int,), (int, float), (str,)
FILE = {
    "object": TEXT,
    "id": TEXT,
    "created_at": WHOLE,
    "status": TEXT,
    "bytes": WHOLE,
    "purpose": TEXT,
    "filename": TEXT,
    "expires_at": WHOLE,
    "status_details": TEXT,
}
JOB = {
    "object": TEXT,
    "id": TEXT,
    "created_at": WHOLE,
    "finished_at": WHOLE,
    "estimated_finish": WHOLE,
    "status": TEXT,
    "model": TEXT,
    "fine_tuned_model": TEXT,
    "training_file": TEXT,
    "validation_file": TEXT,
    "result_files": (list,),
    "organisation_id": TEXT,
    "trained_tokens": WHOLE,
    "error": (dict,),
    "hyperparameters": (dict,),
    "method": (dict,),
    "suffix": TEXT,
    "seed": WHOLE,
    "trainingType": TEXT,
}
HYPERPARAMETERS = {"n_epochs": WHOLE, "batch_size": WHOLE, "learning_rate_multiplier": NUMBER}
EVENT = {
    "object": TEXT,
    "id": TEXT,
    "created_at": WHOLE,
    "level": TEXT,
    "message": TEXT,
    "type": TEXT,
    "data": (dict,),
}
CHECKPOINT = {
    "object": TEXT,
    "id": TEXT,
    "created_at": WHOLE,
    "fine_tuned_model_checkpoint": TEXT,
    "step_number": WHOLE,
    "metrics": (dict,),
    "fine_tuning_job_id": TEXT,
}


def fits(found, table):
    assert set(found) <= set(table), set(found) - set(table)
    for name, value in found.items():
        assert type(value) in table[name], (name, value)


@pytest.mark.parametrize("version", ["2024-10-21", "2025-04-01-preview"])
async def test_files_jobs_events_and_checkpoints_have_the_fields_they_are_described_with(
    app, http, speak, create, work, version
):
    async def get(place):
        return (await http.get(f"/openai/{place}?api-version={version}")).json()

    training = {} if version == "2024-10-21" else {"trainingType": "Standard"}
    job = await create(speak(app, version), suffix="drone", **training)
    fits(await get(f"fine_tuning/jobs/{job.id}"), JOB)
    await work(app, job)
    done = await get(f"fine_tuning/jobs/{job.id}")
    assert done["status"] == "succeeded"
    fits(done, JOB)
    fits(done["hyperparameters"], HYPERPARAMETERS)
    for place, table in (
        ("files", FILE),
        ("fine_tuning/jobs", JOB),
        (f"fine_tuning/jobs/{job.id}/events", EVENT),
        (f"fine_tuning/jobs/{job.id}/checkpoints", CHECKPOINT),
    ):
        page = await get(place)
        assert set(page) == {"object", "data"} | ({"has_more"} if version != "2024-10-21" else set())
        for each in page["data"]:
            fits(each, table)
        assert page["data"]
