"""What the two front ends call: build, publish, deliver, survey, propose, carry out."""
