"""An OpenAI-compatible server for language models in ONNX Runtime genai's folder form."""
