"""Pure: values in, a Plan out. Time, chance, state and used addresses are arguments."""
