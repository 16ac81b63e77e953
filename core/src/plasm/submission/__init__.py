"""Having a job run by a peer: finding one, handing the job over, believing only what verifies."""
