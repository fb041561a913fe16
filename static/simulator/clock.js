// The time in the phone's status bar.
export function keepTime(place) {
  const show = () => {
    const now = new Date();
    const two = (number) => String(number).padStart(2, "0");
    place.textContent = `${two(now.getHours())}:${two(now.getMinutes())}`;
  };
  show();
  setInterval(show, 10000);
}
