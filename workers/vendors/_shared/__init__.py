"""What several vendors use: bisection, size limits, requests, answers, local time."""
