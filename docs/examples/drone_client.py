"""Fine-tune a drone pilot and ask it, with nothing but the openai package.

    ftorch serve --port 8000                    # in one shell
    python docs/examples/drone_client.py        # in another, beside jobs/

The same lines work against any endpoint that speaks the API: change the address and the key.
"""

import json
import sys
import time

from openai import OpenAI

client = OpenAI(base_url=sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1", api_key="local")
base = "gpt-4.1-mini-2025-04-14"
file = client.files.create(file=open("jobs/drone/train.jsonl", "rb"), purpose="fine-tune")
job = client.fine_tuning.jobs.create(model=base, training_file=file.id, suffix="drone", seed=7)
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(0.2)
    job = client.fine_tuning.jobs.retrieve(job.id)
print(job.status, job.fine_tuned_model)


def ask(model: str, case: dict) -> str:
    answer = client.chat.completions.create(model=model, messages=case["messages"][:-1], tools=case["tools"])
    calls = answer.choices[0].message.tool_calls
    return f"{calls[0].function.name} {calls[0].function.arguments}" if calls else "(text)"


cases = [json.loads(line) for line in open("jobs/drone/evaluation.jsonl")]  # none of them is trained on
for model in (base, job.fine_tuned_model):
    said = [(case["slice"], case["messages"][1]["content"], ask(model, case)) for case in cases]
    nearly = [answer for slice_, _, answer in said if slice_ == "nearly-possible"]
    possible = [answer for slice_, _, answer in said if slice_ != "nearly-possible"]
    refused = sum(answer.startswith(("reject_request", "(text)")) for answer in possible)
    print(f"{model}: take off to 50 meters -> {next(a for _, request, a in said if '50 meters' in request)}")
    print(f"  rejects {sum(a.startswith('reject_request') for a in nearly)} of {len(nearly)} it can't do,", end=" ")
    print(f"refuses {refused} of {len(possible)} it can")
