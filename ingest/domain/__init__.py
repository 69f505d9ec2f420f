"""What a dataset is and when it is right: types, values, validators, profile. Pure: no I/O, no SQL, no clock."""
