"""Apache TVM: lowering by Relax, schedules and their search, stages, passes."""
