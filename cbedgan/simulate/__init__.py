"""CBED patterns from crystal structures: where structures come from, the physics, the detector, and the stage."""
