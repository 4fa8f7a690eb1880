"""What the demonstration and the tests show: real photos under free licences."""
