"""Fine-tune and call a drone pilot with nothing but the openai package.

    ftorch serve --port 8000                       # in one shell
    python docs/examples/drone_client.py           # in another, beside jobs/

The same lines work against any endpoint that speaks the API: change the address and the key.
"""

import json
import sys
import time

from openai import OpenAI

client = OpenAI(base_url=sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/v1", api_key="local")
base = "gpt-4.1-mini-2025-04-14"

with open("jobs/drone/train.jsonl", "rb") as data:
    example = json.loads(data.readline())
    data.seek(0)
    file = client.files.create(file=data, purpose="fine-tune")
job = client.fine_tuning.jobs.create(model=base, training_file=file.id, suffix="drone", seed=7)
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(0.2)
    job = client.fine_tuning.jobs.retrieve(job.id)
print(job.status, job.fine_tuned_model)

system, tools = example["messages"][0], example["tools"]
for request in ("Take off the drone to 50 meters", "Play a recorded message over the speaker"):
    for model in (base, job.fine_tuned_model):
        messages = [system, {"role": "user", "content": request}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=tools)
        calls = answer.choices[0].message.tool_calls or []
        said = [f"{call.function.name}({call.function.arguments})" for call in calls]
        print(f"{model}: {request} -> {', '.join(said) or answer.choices[0].message.content}")
