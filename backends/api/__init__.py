"""The seam: what a backend declares and answers, targets, hosts, meshes, evidence."""
