"""What a block's properties are: configurations, rotary tables, how weights split over devices."""
