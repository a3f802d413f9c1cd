"""Train, deploy and ask on a simulated Azure resource, with the libraries that one uses on Azure.

    ftorch serve --azure --api-key-env AZURE_OPENAI_API_KEY
    python docs/examples/azure_client.py [ADDRESS]

IDENTITY_ENDPOINT and IDENTITY_HEADER must be set as the server prints them. For a dated API version, use
AzureOpenAI(azure_endpoint=place, api_version="2024-10-21", api_key=…) in place of OpenAI.
"""

import os
import sys
import time

import openai
from azure.identity import DefaultAzureCredential
from azure.mgmt.cognitiveservices import CognitiveServicesManagementClient

place = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
client = openai.OpenAI(base_url=f"{place}/openai/v1/", api_key=os.environ["AZURE_OPENAI_API_KEY"])

with open("jobs/drone/train.jsonl", "rb") as training_file:
    file = client.files.create(file=training_file, purpose="fine-tune")
while client.files.retrieve(file.id).status != "processed":
    time.sleep(0.2)

method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}}
job = client.fine_tuning.jobs.create(
    model="gpt-4.1-mini-2025-04-14", training_file=file.id, suffix="drone", method=method
)
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(0.2)
    job = client.fine_tuning.jobs.retrieve(job.id)
print(job.status, job.fine_tuned_model)

management = CognitiveServicesManagementClient(
    DefaultAzureCredential(),
    "00000000-0000-0000-0000-000000000001",
    base_url=place,
    credential_scopes=["https://management.azure.com/.default"],
)
model = {"format": "OpenAI", "name": job.fine_tuned_model, "version": "1"}
wanted = {"sku": {"name": "Standard", "capacity": 50}, "properties": {"model": model}}
# The library sends tokens over https only, unless it is told that this address stays on the machine.
making = management.deployments.begin_create_or_update("ftorch", "ftorch", "drone", wanted, enforce_https=False)
print(making.result().properties.provisioning_state)


def ask(text):
    messages = [{"role": "user", "content": text}]
    tools = [{"type": "function", "function": {"name": "takeoff_drone", "description": "Take off"}}]
    while True:
        try:
            return client.chat.completions.create(model="drone", messages=messages, tools=tools)
        except (openai.NotFoundError, openai.RateLimitError):
            time.sleep(0.2)  # Succeeded is not ready


answer = ask("Take off now")
print(answer.model, answer.choices[0].message.tool_calls[0].function.name)
