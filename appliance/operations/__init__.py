"""What the two front ends call: build, publish, verification, deliver, survey, propose, carry out."""
