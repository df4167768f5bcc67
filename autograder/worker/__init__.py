"""The other side: processes in a sandbox that run students' code and send back what came out."""
