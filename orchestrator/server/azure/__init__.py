"""The Azure OpenAI dialects over the same store: data plane, deployments, management and sign-in."""
