"""From a suite file to what there is to do: heavy imports have no place here."""
