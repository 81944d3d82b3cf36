/** Functions that their module keeps to itself. */
const captured = 1;

export const closures = {
  arrow: (
    () => () =>
      captured
  )(),
  named: function named(): void {},
};
