"""The Hugging Face Hub: what is fetched from it, and what its errors mean."""
